"""What may come of a task instead of its result."""

from prefork.errors import PreforkError


class PoolError(PreforkError):
    """A task could not be run. The subclasses say why."""


class PoolFull(PoolError):  # noqa: N818 - as the standard library's queue.Full
    """As many tasks wait as may. *retry_after*: seconds until it is worth another try."""

    def __init__(self, reason: str, retry_after: float = 1.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class TaskTimeout(PoolError):  # noqa: N818 - as asyncio's
    """The task ran for longer than its `timeout`, and was made to end."""


class TaskLost(PoolError):  # noqa: N818
    """The process that ran the task has ended: by a crash, a kill, an exit of the task's own.

    *status*: its exit code, or minus the signal's number; None where it isn't known.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status

    @classmethod
    def by_exit(cls, name: str, error: SystemExit) -> "TaskLost":
        """Make it of an exit of the task's own, with the status that Python itself would have."""
        status = 0 if error.code is None else error.code if isinstance(error.code, int) else 1
        return cls(f"{name} was lost: it exited with {error.code!r}", status)


class RemoteError(PoolError):
    """The task raised. Where its exception can travel it is raised itself, and this is its cause.

    *traceback*: the task's own, as text.
    """

    def __init__(self, reason: str, traceback: str = "") -> None:
        super().__init__(reason)
        self.traceback = traceback

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\n\n{self.traceback}" if self.traceback else text


class TaskCancelled(BaseException):
    """Raised inside a task that nobody waits for any more, or that has run for too long.

    No Exception, so that a task which catches those ends nevertheless.
    """
