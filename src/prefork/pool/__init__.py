"""A pool of processes for CPU-bound work: tasks of all workers, off their event loops.

>>> from prefork import pool
>>> async def handler(request):
...     thumbnail = await pool.run(resize, await request.body(), width=200, timeout=2.0)

`prefork serve app:handler --pool 4` starts it. In a script: `async with prefork.Pool(4) as pool`.
"""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from prefork.pool import station
from prefork.pool.client import PoolStats
from prefork.pool.errors import (
    PoolError,
    PoolFull,
    RemoteError,
    TaskCancelled,
    TaskLost,
    TaskTimeout,
)
from prefork.pool.pace import Quantiles

__all__ = [
    "PoolError",
    "PoolFull",
    "PoolStats",
    "Quantiles",
    "RemoteError",
    "TaskCancelled",
    "TaskLost",
    "TaskTimeout",
    "broadcast",
    "map",
    "run",
    "run_sync",
    "stats",
    "stream",
]

R = TypeVar("R")
Item = TypeVar("Item")


def run(
    function: Callable[..., R],
    /,
    *args: Any,
    timeout: float | None = None,
    priority: int = 0,
    **kwargs: Any,
) -> Coroutine[Any, Any, R]:
    """Call *function* in a process of the pool, and return what it returns.

    It must be importable: a function at the top of a module; one with a `timeout` or a `priority`
    of its own goes through functools.partial. Whatever is passed is copied; but memoryviews, and
    what has such inside as NumPy arrays have, travel without a copy where they are of 64 KiB or
    more. *timeout*: seconds from its start. Tasks of more *priority* come first. Cancelled, the
    task is taken out of the queue, or made to end.

    Raises what the function raises, with its remote traceback as the cause; PoolFull, TaskTimeout,
    TaskLost; and TypeError for what can't be given to another process.
    """
    pool = station.pool()
    return pool.run(function, *args, timeout=timeout, priority=priority, **kwargs)


def run_sync(function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
    """Do as `run` does, from a thread of a WSGI application: wait for the result.

    Raises PoolError on the event loop's own thread.
    """
    return station.from_thread().run_sync(function, *args, **kwargs)


def map(
    function: Callable[[Item], R],
    items: Iterable[Item] | AsyncIterable[Item],
    /,
    *,
    limit: int | None = None,
    timeout: float | None = None,
    priority: int = 0,
) -> AsyncIterator[R]:
    """Call *function* with each item, and yield the results in the order of the items.

    At most *limit* are begun and not yielded yet: by default twice as many as there are processes.
    The first that fails ends it; what was begun is cancelled. Raises ValueError for a *limit* below
    1.
    """
    pool = station.pool()
    return pool.map(function, items, limit=limit, timeout=timeout, priority=priority)


def stream(
    function: Callable[..., Iterable[R]],
    /,
    *args: Any,
    timeout: float | None = None,
    priority: int = 0,
    **kwargs: Any,
) -> AsyncIterator[R]:
    """Call a generator function, and yield what it yields, as it comes.

    It waits while 16 of its items are unread. To end the iteration early ends it too.
    """
    pool = station.pool()
    return pool.stream(function, *args, timeout=timeout, priority=priority, **kwargs)


async def broadcast(
    function: Callable[..., R],
    /,
    *args: Any,
    timeout: float | None = None,  # noqa: ASYNC109 - it counts from each task's start
    **kwargs: Any,
) -> list[R]:
    """Call *function* once in each process that there is now, as soon as it is free.

    One that has gone before its turn came is left out. Raises PoolFull; and what the first raised,
    once all have ended. One that comes later knows nothing of it: what each is to have is
    `--pool-initializer`'s.
    """
    return await station.pool().broadcast(function, *args, timeout=timeout, **kwargs)


def stats() -> PoolStats:
    """Say how many processes there are, and what this worker's tasks do.

    Before its first task a worker knows of no process: *size* is 0.
    """
    return station.pool().stats()
