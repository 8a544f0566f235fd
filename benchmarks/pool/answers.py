"""How questions about a pool are answered, whichever it is, by its `run` on an event loop.

A question is a line: a verb, and numbers. Its answer is a number of seconds, for one task.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import repeat
from statistics import median
from typing import Any

import numpy
from benchmarks.pool import tasks

Run = Callable[..., Awaitable[Any]]
MEGABYTE = 1_000_000
WARM = 50  # empty tasks before others are timed


async def answer(run: Run, question: str) -> float:
    """Raises AssertionError where what came back is not what was given."""
    verb, *words = question.split("/")
    for _ in range(WARM):
        await run(tasks.empty)
    match verb, list(map(int, words)):
        case "trip", [count]:
            return median([await timed(run, tasks.empty) for _ in range(count)])
        case "flight", [count, width]:
            return await flight(run, (tasks.empty,), count, width)
        case "busy", [loops, count, width]:
            return await flight(run, (tasks.busy, loops), count, width)
        case _, [megabytes, count]:
            return await carry(run, verb, megabytes, count)
        case _:
            raise ValueError(question)


async def timed(run: Run, *task: Any) -> float:
    begin = time.perf_counter()
    await run(*task)
    return time.perf_counter() - begin


async def flight(run: Run, task: tuple[Any, ...], count: int, width: int) -> float:
    """Have *width* tasks under way until *count* are done."""
    left = repeat(task, count)

    async def lane() -> None:
        for each in left:
            await run(*each)

    begin = time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(width)))
    return (time.perf_counter() - begin) / count


async def carry(run: Run, verb: str, megabytes: int, count: int) -> float:
    """Give an array of so many MB; the first time is not counted."""
    array = numpy.arange(megabytes * MEGABYTE // 8, dtype=numpy.float64)
    total = float(array.sum())
    taken = []
    for _ in range(count + 1):
        begin = time.perf_counter()
        match verb:
            case "take":
                last = await run(tasks.take, array)
                seconds, back = time.perf_counter() - begin, array
                assert last == array[-1]
            case "echo":
                back = await run(tasks.echo, array)
                seconds = time.perf_counter() - begin
            case _:
                there, back = await run(tasks.add_up, array)
                here = float(back.sum())
                seconds = time.perf_counter() - begin
                assert there == here == total
        assert numpy.array_equal(back, array)
        taken.append(seconds)
    return median(taken[1:])
