"""Each engine there is, with what it needs, as a pool of two that a test may use."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from tests.pool.house import house

from prefork.pool.client import Pool
from prefork.pool.engines.threads import Threads

SIZE = 2  # tasks that run at a time


@dataclass(frozen=True)
class Terms:
    """*limit*: tasks that may wait. *grace*: seconds that one has to end that is told to."""

    limit: int = 1000
    grace: float = 0.3


@asynccontextmanager
async def threads(terms: Terms) -> AsyncIterator[Pool]:
    pool = Pool(Threads(SIZE, terms.limit, terms.grace))
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def processes(terms: Terms) -> AsyncIterator[Pool]:
    async with house(SIZE) as own:
        yield own.worker(limit=terms.limit, grace=terms.grace).pool


RIGS: dict[str, Callable[[Terms], AbstractAsyncContextManager[Pool]]] = {
    "threads": threads,
    "processes": processes,
}
