"""A task on its way through the pool: where it is, until when, and what comes of it."""

import asyncio
from typing import TYPE_CHECKING

import msgspec

from prefork.pool import codec
from prefork.pool.codec import Parcel
from prefork.pool.engine import Task
from prefork.pool.errors import RemoteError, TaskLost, TaskTimeout
from prefork.pool.line import Frame, Kind

if TYPE_CHECKING:
    from prefork.pool.seat import Seat


class Doom:
    """Why a task is made to end that runs, in words for the log."""

    CANCELLED = "was cancelled"
    OVERDUE = "ran for too long"


class Job(msgspec.Struct, eq=False):
    """*number*: of no other task. *begun*: by time.monotonic_ns(); 0: not that we know of."""

    task: Task
    number: int
    parcel: Parcel
    seat: "Seat | None" = None  # the process that has it; None: it waits
    begun: int = 0
    timer: asyncio.TimerHandle | None = None  # when it is to end, or to be killed
    doom: str = ""  # why it was told to end
    has_waited: bool = False  # in the ledger
    is_in_a_row: bool = False  # it came right after an answer
    is_bound: bool = False  # it wants the very process that has it

    def __str__(self) -> str:
        """The name of its function."""
        return codec.name_of(self.task.call.function)

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def overrun(self) -> None:
        """Tell who waits that it took too long; whatever comes of it now is too late."""
        self.task.fail(TaskTimeout(f"{self} ran for over {self.task.timeout:g} s"))

    def deliver(self, frame: Frame) -> bool:
        """Give the next item to who reads the stream; False: it can't be read here."""
        try:
            item = codec.restored(frame.parcel, "an item", self)
        except RemoteError as error:
            self.task.fail(error.with_traceback(None))  # which would keep the task
            return False
        if self.task.items is not None:
            self.task.items.put(item)
        return True

    def conclude(self, frame: Frame) -> None:
        """Tell who waits for it what its process has answered."""
        if frame.kind == Kind.ERROR:
            self.task.fail(codec.unpack_error(frame.parcel))
        elif frame.kind == Kind.RESULT:
            try:
                result = codec.restored(frame.parcel, "the result", self)
            except RemoteError as error:
                self.task.fail(error.with_traceback(None))  # which would keep the task
            else:
                self.task.succeed(result)

    def lose(self, status: int | None, reason: str) -> None:
        """Tell who waits for it that its process has ended."""
        self.task.fail(TaskLost(f"{self} was lost: {_epitaph(status, reason)}", status))


def _epitaph(status: int | None, reason: str) -> str:
    if status is None:
        return "the line to its process ended"
    how = f"was killed by signal {-status}" if status < 0 else f"exited with code {status}"
    return f"its process {how}" + (f" ({reason})" if reason else "")
