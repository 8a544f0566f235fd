"""The tasks of requests, of which one that never waits needs none of its own.

The first step of a request is taken at once, in the name of a task that was made before. Most
requests end with it, and the task is there for the next. A request that waits keeps the task, which
takes its other steps. To make a task, have the loop start it and bury it was 11 to 19 % of a small
request's instructions; `eager_start`, of 3.12 and later, saves the start alone.
"""

import asyncio
import gc
import types
from asyncio.tasks import _enter_task, _leave_task  # "Extending asyncio" has them for this
from collections.abc import Coroutine, Generator
from contextvars import Context, copy_context
from sys import getrefcount
from typing import Any

from prefork.pool import refusal

NAME = "request"
Work = Coroutine[Any, Any, None]
OVER = object()  # instead of what a coroutine waits for


class Spare:
    """A task that waits for a coroutine whose first step was taken in its name."""

    __slots__ = ("_called", "_context", "_steps", "_waits_for", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._called: asyncio.Future[None] = loop.create_future()
        self._waits_for: Any = OVER
        live = self._live()
        live.send(None)  # into its `try`: a cancellation may come before the task's first turn
        self.task = asyncio.Task(live, loop=loop, name=NAME)

    def call(self, steps: Generator[Any, Any, None], context: Context, waits_for: Any) -> None:
        """Take the other steps, when *waits_for* is there."""
        self._steps, self._context, self._waits_for = steps, context, waits_for
        if not self._called.done():
            self._called.set_result(None)

    def end(self) -> None:
        """End the task: nobody is to have it."""
        self._called.cancel()

    async def _live(self) -> None:
        error = None
        try:
            await asyncio.sleep(0)
            await self._called
        except asyncio.CancelledError as cancelled:
            if self._waits_for is OVER:
                raise
            error = cancelled
        await self._go_on(error)

    @types.coroutine
    def _go_on(self, error: BaseException | None) -> Generator[Any, Any, None]:
        """Take the other steps. *error*: we were cancelled before we could wait."""
        steps, context, waits_for = self._steps, self._context, self._waits_for
        if error is not None and hasattr(waits_for, "cancel") and waits_for.cancel():
            error = None  # what we wait for says it, as with Task.cancel()
        while waits_for is not OVER:
            if error is None:
                try:
                    yield waits_for
                except BaseException as thrown:  # noqa: BLE001 - it is for the coroutine
                    error = thrown
            if error is None:
                waits_for = context.run(next, steps, OVER)
                continue
            try:
                waits_for = context.run(steps.throw, error)
            except StopIteration:
                return
            finally:
                error = None


def work_of(task: "asyncio.Task[Any]") -> Any:
    """The coroutine whose steps a task takes, also where it takes another's."""
    work = task.get_coro()
    if isinstance(work, types.CoroutineType) and work.cr_code is Spare._live.__code__:
        spare = work.cr_frame.f_locals["self"] if work.cr_frame is not None else None
        if spare is None or spare._waits_for is OVER:
            return None  # it has ended, or nobody has called it
        [work] = gc.get_referents(spare._steps)  # to keep it beside them would cost every request
    return work


class Tasks:
    """Starts the coroutines of one worker's requests."""

    __slots__ = ("_context", "_loop", "_spare")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._context = copy_context()  # each request gets a copy: none sees another's variables
        self._context.run(refusal.forget)  # what a script met before it listened is no request's
        self._spare = Spare(loop)

    def end(self) -> None:
        """No more are expected: let no task wait for one."""
        self._spare.end()

    def start(self, work: Work) -> asyncio.Task[None] | None:
        """Take the first step at once. Return the task that takes the others; None: it is over.

        Only where no task is taking a step.
        """
        if self._spare.task.done() or self._spare.task.cancelling():  # somebody cancelled them all
            self._spare = Spare(self._loop)
        task, context = self._spare.task, self._context.copy()
        steps, holders = work.__await__(), getrefcount(task)
        _enter_task(self._loop, task)
        try:
            waits_for = context.run(next, steps, OVER)
        finally:
            _leave_task(self._loop, task)
        # Who has kept the task may cancel it, or know this request by it: it is nobody else's then.
        is_kept = task.cancelling() or getrefcount(task) != holders
        if waits_for is OVER and not is_kept:
            return None
        spare, self._spare = self._spare, Spare(self._loop)
        if waits_for is OVER:
            spare.end()
            return None
        spare.call(steps, context, waits_for)
        return task

    def later(self, work: Work) -> asyncio.Task[None]:
        """Have the loop take the first step, since a task is taking one."""
        # Made directly: `loop.create_task` costs 0.2 µs more.
        return asyncio.Task(work, loop=self._loop, name=NAME, context=self._context.copy())
