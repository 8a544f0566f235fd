"""A pool of a plain program in Python, which answers the questions on its standard input.

    python -m benchmarks.pool.peer script|executor|pebble|none PROCESSES

`script` is prefork's, as a script has it.

`none` is no pool at all: tasks run where they are called, which is what a core can do at most.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from benchmarks.pool import tasks
from benchmarks.pool.answers import Run, answer

import prefork

LOOPS = 20_000


@asynccontextmanager
async def script(processes: int) -> AsyncIterator[Run]:
    async with prefork.Pool(processes) as pool:
        yield pool.run


@asynccontextmanager
async def executor(processes: int) -> AsyncIterator[Run]:
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(processes) as pool:
        yield lambda function, *args: loop.run_in_executor(pool, function, *args)


@asynccontextmanager
async def pebble(processes: int) -> AsyncIterator[Run]:
    from pebble import ProcessPool  # noqa: PLC0415 - it may not be here

    with ProcessPool(processes) as pool:
        yield lambda function, *args: asyncio.wrap_future(pool.submit(function, None, *args))


@asynccontextmanager
async def none(_processes: int) -> AsyncIterator[Run]:
    async def run(function: Any, *args: Any) -> Any:
        return function(*args)

    yield run


POOLS = {"script": script, "executor": executor, "pebble": pebble, "none": none}


def loops(seconds: float) -> int:
    """Return how many loops of `tasks.busy` take so much processor time."""
    taken = []
    for _ in range(20):
        begin = time.process_time()
        tasks.busy(LOOPS)
        taken.append(time.process_time() - begin)
    return round(LOOPS * seconds / min(taken))


async def main(kind: str, processes: int) -> None:
    async with POOLS[kind](processes) as run:
        for line in sys.stdin:
            verb, _, rest = line.strip().partition("/")
            told = loops(float(rest)) if verb == "loops" else await answer(run, line.strip())
            print(told, flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
