"""The functions that the user wants called in the life of a worker, and of an instance."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from prefork import log
from prefork.errors import AppError
from prefork.worker.application import imported
from prefork.worker.tracebacks import ANYTHING, headline, own_traceback


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What a hook of a worker is given: post_fork, pre_stop, worker_exit."""

    slot: int
    generation: int
    pid: int


@dataclass(frozen=True, slots=True)
class InstanceInfo:
    """What a hook of the instance is given: on_starting, when_ready.

    *pid*: the primary's; *bind*: addresses with the ports that it got.
    """

    name: str
    pid: int
    bind: tuple[str, ...]
    workers: int


@dataclass(frozen=True, slots=True)
class Hook:
    """A function and the moment it is for; without a function it does nothing."""

    moment: str
    function: Callable[..., Any] | None = None

    @classmethod
    def load(cls, moment: str, spec: str | None, app_dir: str) -> "Hook":
        """Import what *spec*, MODULE:FUNCTION, names. Raises AppError that names the moment."""
        if spec is None:
            return cls(moment)
        try:
            function = imported(spec, app_dir)
        except AppError as error:
            raise AppError(f"the hook {moment}: {error}", error.detail) from None
        if not callable(function):
            raise AppError(f"the hook {moment}: {spec} is not callable")
        return cls(moment, function)

    def run(self, subject: WorkerInfo | InstanceInfo | None = None) -> None:
        """Call it where no event loop runs; it may be `async def`. Raises AppError.

        Without a subject it gets no argument, as initializers of other pools don't.
        """
        try:
            made = self._called(subject)
        except ANYTHING as error:
            raise self._raised(error) from None
        failed = asyncio.run(_failure(made)) if inspect.isawaitable(made) else None
        if failed is not None:
            raise self._raised(failed)

    async def run_in_loop(self, subject: WorkerInfo | InstanceInfo) -> None:
        """Call it where one runs; what it raises is logged."""
        try:
            made = self._called(subject)
            failed = await _failure(made) if inspect.isawaitable(made) else None
        except ANYTHING as error:
            failed = error
        if failed is not None:
            raised = self._raised(failed)
            log.error("hook_failed", hook=self.moment, reason=str(raised), detail=raised.detail)

    def _called(self, subject: WorkerInfo | InstanceInfo | None) -> Any:
        given = () if subject is None else (subject,)
        return None if self.function is None else self.function(*given)

    def _raised(self, error: BaseException) -> AppError:
        return AppError(f"the hook {self.moment} raised: {headline(error)}", own_traceback(error))


async def _failure(made: Awaitable[Any]) -> BaseException | None:
    """What it raises, caught here: further out its traceback would have the event loop's frames."""
    try:
        await made
    except ANYTHING as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():  # its time is over
            raise
        return error
    return None
