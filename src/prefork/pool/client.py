"""The pool as users' code has it: run, map, stream, broadcast."""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from prefork.pool import refusal
from prefork.pool.engine import WINDOW, Call, Engine, Task
from prefork.pool.errors import PoolError, PoolFull
from prefork.pool.pace import Quantiles
from prefork.pool.unread import Unread

R = TypeVar("R")
_NUMBER: Any = int | float  # users' code need not be typed
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class PoolStats:
    """*size*: threads, or processes to which this worker has lines: 0 before its first task, which
    asks for these. All else is of this worker's tasks. *wait* and *run*: of those that ended in the
    last 30 to 60 seconds, in milliseconds; None: there are none."""

    size: int
    waiting: int
    running: int
    done: int
    wait: Quantiles | None
    run: Quantiles | None


class Pool:
    """Of one worker, on its event loop."""

    def __init__(self, engine: Engine, timeout: float | None = None) -> None:
        """*timeout*: seconds, of tasks for which none is said; None: no limit."""
        self._engine = engine
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()

    async def run(
        self,
        function: Callable[..., R],
        /,
        *args: Any,
        timeout: float | None = None,  # noqa: ASYNC109 - it counts from the task's start
        priority: int = 0,
        **kwargs: Any,
    ) -> R:
        """Call *function* in a process of the pool, and return what it returns.

        It must be importable: a function at the top of a module; one with a `timeout` or a
        `priority` of its own goes through functools.partial. Whatever is passed is copied; but
        memoryviews, and what has such inside as NumPy arrays have, travel without a copy where they
        are of 64 KiB or more. *timeout*: seconds from its start. Tasks of more *priority* come
        first. Cancelled, the task is taken out of the queue, or made to end.

        Raises what the function raises, with its remote traceback as the cause; PoolFull,
        TaskTimeout, TaskLost; and TypeError for what can't be given to another process.
        """
        task = self._task(Call(function, args, kwargs), timeout, priority)
        self._submit(task)
        try:
            result: R = await task.outcome
        except asyncio.CancelledError:
            self._engine.cancel(task)
            raise
        finally:
            del task  # an exception has this frame, and so would keep itself and all arguments
        return result

    def run_sync(self, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
        """Do as `run` does, from a thread of a WSGI application: wait for the result.

        Raises PoolError on the event loop's own thread.
        """
        refuse_on(self._loop)
        running = self.run(function, *args, **kwargs)
        with refusal.noted():
            return asyncio.run_coroutine_threadsafe(running, self._loop).result()

    async def map(
        self,
        function: Callable[[Item], R],
        items: Iterable[Item] | AsyncIterable[Item],
        /,
        *,
        limit: int | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above, of each
        priority: int = 0,
    ) -> AsyncIterator[R]:
        """Call *function* with each item, and yield the results in the order of the items.

        At most *limit* are begun and not yielded yet: by default twice as many as there are
        processes. The first that fails ends it; what was begun is cancelled. Raises ValueError for
        a *limit* below 1.
        """
        if limit is not None and limit < 1:
            raise ValueError(f"the limit of a map must be at least 1 (got {limit})")
        pending: deque[Task] = deque()
        try:
            async for item in _each(items):
                while len(pending) >= (limit or 2 * max(1, self._engine.counts()["size"])):
                    yield await _first(pending)
                call = Call(function, (item,))
                while not self._is_taken(call, timeout, priority, pending):
                    yield await _first(pending)
            while pending:
                yield await _first(pending)
        finally:
            self._drop_all(pending)

    async def stream(
        self,
        function: Callable[..., Iterable[R]],
        /,
        *args: Any,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
        priority: int = 0,
        **kwargs: Any,
    ) -> AsyncIterator[R]:
        """Call a generator function, and yield what it yields, as it comes.

        It waits while 16 of its items are unread. To end the iteration early ends it too.
        """
        task = self._task(Call(function, args, kwargs), timeout, priority)
        task.items = items = Unread(task.outcome)
        self._submit(task)
        taken = 0
        try:
            async for item in items:
                yield item
                taken += 1
                if taken == WINDOW // 2:
                    self._engine.took(task, taken)
                    taken = 0
            await task.outcome
        finally:
            self._drop(task)
            del task, items  # as in `run`

    async def broadcast(
        self,
        function: Callable[..., R],
        /,
        *args: Any,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
        **kwargs: Any,
    ) -> list[R]:
        """Call *function* once in each process that there is now, as soon as it is free.

        One that has gone before its turn came is left out. Raises PoolFull; and what the first
        raised, once all have ended. One that comes later knows nothing of it: what each is to have
        is `--pool-initializer`'s.
        """
        call = Call(function, args, kwargs)
        with refusal.noted():
            tasks = deque(await self._engine.submit_to_all(call, self._limit(timeout)))
        try:
            await asyncio.gather(*(task.outcome for task in tasks), return_exceptions=True)
            results: list[R] = []
            while tasks:
                if not tasks[0].outcome.cancelled():  # nothing else here may have it: see `run`
                    results.append(tasks[0].outcome.result())
                tasks.popleft()
            return results
        finally:
            self._drop_all(tasks)

    def stats(self) -> PoolStats:
        """Say how many processes there are, and what this worker's tasks do."""
        pace = self._engine.pace
        wait, run = pace.lately()
        return PoolStats(**self._engine.counts(), done=pace.done, wait=wait, run=run)

    async def close(self) -> None:
        """End what waits or runs."""
        await self._engine.close()

    # -- tasks ---------------------------------------------------------------

    def _limit(self, timeout: float | None) -> float | None:
        if timeout is not None and not (isinstance(timeout, _NUMBER) and timeout > 0):
            raise ValueError(f"a timeout must be more than 0 seconds (got {timeout!r})")
        return self._timeout if timeout is None else timeout

    def _task(self, call: Call, timeout: float | None, priority: int) -> Task:
        if not isinstance(priority, int):
            raise TypeError(f"a priority must be an int (got {priority!r})")
        return Task(call, self._loop.create_future(), self._limit(timeout), priority)

    def _submit(self, task: Task) -> None:
        try:
            self._engine.submit(task)
        except PoolFull as full:
            refusal.note(full)
            raise

    def _is_taken(
        self, call: Call, timeout: float | None, priority: int, pending: deque[Task]
    ) -> bool:
        """Have it pending; False: the queue is full, and something pending is to end first."""
        task = self._task(call, timeout, priority)
        if not pending:
            self._submit(task)
        else:
            try:
                self._engine.submit(task)
            except PoolFull:
                return False
        pending.append(task)
        return True

    def _drop_all(self, tasks: deque[Task]) -> None:
        """None is left in there: see `run`."""
        while tasks:
            self._drop(tasks.popleft())

    def _drop(self, task: Task) -> None:
        """Nobody reads its outcome any more."""
        # Whoever was cancelled while it waited for the outcome has cancelled that, and no more.
        if task.outcome.cancel() or task.outcome.cancelled():
            self._engine.cancel(task)
        else:
            task.outcome.exception()  # or asyncio would complain that nobody looked at it


def refuse_on(loop: asyncio.AbstractEventLoop) -> None:
    """Raise PoolError on that loop's own thread: it would wait for itself."""
    with suppress(RuntimeError):  # none runs in this thread
        if asyncio.get_running_loop() is loop:
            raise PoolError("pool.run_sync would block the event loop: await pool.run there")


async def _first(pending: deque[Task]) -> Any:
    """Wait for the first, and take it out: until then whoever drops them all drops it too."""
    result = await pending[0].outcome
    pending.popleft()
    return result


async def _each(items: "Iterable[Item] | AsyncIterable[Item]") -> AsyncIterator[Item]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
