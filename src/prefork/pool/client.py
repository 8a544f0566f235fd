"""The pool as users' code has it: run, map, stream, broadcast."""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from prefork.pool import refusal
from prefork.pool.engine import WINDOW, Call, Engine, Task
from prefork.pool.errors import PoolFull
from prefork.pool.pace import Quantiles

P = ParamSpec("P")
R = TypeVar("R")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class PoolStats:
    """*size*: processes, or threads. All else is of this worker's tasks. *wait* and *run*: of those
    that ended in the last 30 to 60 seconds, in milliseconds; None: there are none."""

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
        return result

    def run_sync(self, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
        """Do as `run` does, from a thread of a WSGI application: wait for the result."""
        running = self.run(function, *args, **kwargs)
        try:
            return asyncio.run_coroutine_threadsafe(running, self._loop).result()
        except PoolFull as full:
            refusal.note(full)
            raise

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
        processes. The first that fails ends it; what was begun is cancelled.
        """
        pending: deque[Task] = deque()
        try:
            async for item in _each(items):
                while len(pending) >= (limit or 2 * max(1, self._engine.counts()["size"])):
                    yield await pending.popleft().outcome
                task = self._task(Call(function, (item,)), timeout, priority)
                while not self._is_taken(task, pending):
                    yield await pending.popleft().outcome
                pending.append(task)
            while pending:
                yield await pending.popleft().outcome
        finally:
            for task in pending:
                self._drop(task)

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
        task.items = items = _Items(task)
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

    async def broadcast(
        self,
        function: Callable[..., R],
        /,
        *args: Any,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
        **kwargs: Any,
    ) -> list[R]:
        """Call *function* once in each process that there is now, as soon as it is free.

        One that has gone before its turn came is left out. Raises what the first raised, once all
        have ended. One that comes later knows nothing of it: what each is to have is
        `--pool-initializer`'s.
        """
        call = Call(function, args, kwargs)
        tasks = await self._engine.submit_to_all(call, self._limit(timeout))
        try:
            outcomes = [task.outcome for task in tasks]
            results = await asyncio.gather(*outcomes, return_exceptions=True)
            for each in results:
                if isinstance(each, Exception):
                    raise each
            return [each for each in results if not isinstance(each, BaseException)]
        finally:
            for task in tasks:
                self._drop(task)

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
        if timeout is not None and not timeout > 0:
            raise ValueError(f"a timeout must be more than 0 seconds (got {timeout})")
        return self._timeout if timeout is None else timeout

    def _task(self, call: Call, timeout: float | None, priority: int) -> Task:
        return Task(call, self._loop.create_future(), self._limit(timeout), priority)

    def _submit(self, task: Task) -> None:
        try:
            self._engine.submit(task)
        except PoolFull as full:
            refusal.note(full)
            raise

    def _is_taken(self, task: Task, pending: deque[Task]) -> bool:
        """Submit it; False: the queue is full, and something pending is to end first."""
        if not pending:
            self._submit(task)
            return True
        try:
            self._engine.submit(task)
        except PoolFull:
            return False
        return True

    def _drop(self, task: Task) -> None:
        """Nobody reads its outcome any more."""
        if task.outcome.done() and not task.outcome.cancelled():
            task.outcome.exception()  # or asyncio would complain that nobody looked at it
        else:
            task.outcome.cancel()
            self._engine.cancel(task)


class _Items:
    """Those of a stream that were not read yet."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._unread: deque[Any] = deque()
        self._more: asyncio.Event = asyncio.Event()
        task.outcome.add_done_callback(lambda _: self._more.set())

    def put(self, item: Any) -> None:
        self._unread.append(item)
        self._more.set()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            while self._unread:
                yield self._unread.popleft()
            if self._task.outcome.done():
                return
            self._more.clear()
            await self._more.wait()


async def _each(items: "Iterable[Item] | AsyncIterable[Item]") -> AsyncIterator[Item]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
