"""The tasks that pool processes have: how they are given, made to end, and what comes of them."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from prefork import log
from prefork.errors import RemoteError
from prefork.pool.job import Doom, Job
from prefork.pool.line import ANSWERS, SHORTLY, Frame, Kind
from prefork.pool.pace import Pace
from prefork.pool.seat import Seat
from prefork.wire.board import Field
from prefork.wire.messages import POOL, TASKS_OF_ONE, Condemn, Message, PoolExit, Want

ASK_AGAIN = 1.0  # seconds after which a line is asked for that was lost
UNKNOWN = -1  # as the task that a process ran
SOON = 200_000  # nanoseconds after an answer: who has one more task by then calls in a row
NEWS = 5.0  # seconds within which the primary tells of what became of a process whose line ended


class Callbacks(NamedTuple):
    """What the engine does: with a task that was not begun, with a process that is free, and once
    a task is nobody's any more."""

    take_back: Callable[[Job], None]
    use: "Use"
    forget: Callable[[Job], None]


class Use(Protocol):
    def __call__(self, seat: Seat, ticket: int, *, may_keep: bool = False) -> None: ...


class Custody:
    """*say*: to the primary. *grace*: seconds from asking a task to end until it is killed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        say: Callable[[Message], None],
        grace: float,
        callbacks: Callbacks,
    ) -> None:
        self._loop = loop
        self._say = say
        self._grace = grace
        self._then = callbacks
        self.pace = Pace()

    # -- saying --------------------------------------------------------------

    def give(self, job: Job, seat: Seat, ticket: int) -> None:
        """Have a process run it. *ticket*: of an offer of its; 0: once it has nothing else."""
        job.seat, task = seat, job.task
        seat.jobs[job.number] = job
        if task.items is not None:
            kind = Kind.STREAM
        elif 0 <= task.submitted - self.pace.latest < SOON:
            kind, job.is_in_a_row = Kind.NEXT, True
        else:
            kind, job.is_in_a_row = Kind.RUN, False
        seat.line.send(kind, job.number, ticket=ticket, at=task.submitted, parcel=job.parcel)
        if seat.line.unsent:
            self._watch(seat)
        if ticket:
            self._begin(job)

    def _begin(self, job: Job) -> None:
        job.begun = time.monotonic_ns()
        if job.task.timeout is not None and not job.doom:
            job.timer = self._loop.call_later(job.task.timeout, self._time_out, job)

    def tell(self, seat: Seat, kind: int, number: int = 0, *, ticket: int = 0) -> None:
        if not seat.is_parted:
            seat.line.send(kind, number, ticket=ticket)
            if seat.line.unsent:
                self._watch(seat)

    def _watch(self, seat: Seat) -> None:
        if seat.line.is_short:
            self._loop.call_later(SHORTLY, self._flush, seat)
        else:
            self._loop.add_writer(seat.line, self._flush, seat)

    def _flush(self, seat: Seat) -> None:
        if not seat.is_parted:
            self._loop.remove_writer(seat.line)
            if not seat.line.flush():
                self._watch(seat)
            elif any(job.doom for job in seat.jobs.values()):
                seat.signal()  # again: it may have come before what it stands for

    # -- making them end -----------------------------------------------------

    def _time_out(self, job: Job) -> None:
        """Whoever waits is told at once."""
        self.end(job, Doom.OVERDUE)
        job.overrun()

    def end(self, job: Job, doom: str) -> None:
        """Ask a task to end that a process has, and have that killed after a while."""
        if job.seat is None or job.doom:
            return
        job.doom = doom
        job.stop_timer()
        self.tell(job.seat, Kind.CANCEL, job.number)
        job.seat.signal()
        job.timer = self._loop.call_later(self._grace, self._condemn, job)

    def _condemn(self, job: Job) -> None:
        """Have its process killed, unless its answer is there.

        The primary does it if that is what the process runs, and else nothing, so we ask again.
        Once it doesn't any more, it is free for none before GO_ON: nobody else's task is hit.
        """
        seat = job.seat
        if seat is None:
            return
        if not seat.is_parted:
            self._read(seat, seat.line.drain)
        if job.number in seat.jobs:
            reason = f"its task {job} {job.doom} and did not end within {self._grace:g} s"
            self._say(Condemn(seat.id, self._runs(seat, job.number), reason))
            job.timer = self._loop.call_later(self._grace, self._condemn, job)

    def _runs(self, seat: Seat, number: int) -> int:
        """What to name as the task that a process runs.

        One that stopped right after an answer to us still has the number of that on the board.
        """
        task = seat.board[Field.TASK]
        is_ours = task // TASKS_OF_ONE == number // TASKS_OF_ONE
        return task if is_ours and task not in seat.jobs else number

    # -- hearing -------------------------------------------------------------

    def meet(self, seat: Seat) -> None:
        """Listen to one more process."""
        self._loop.add_reader(seat.line, self._read, seat, seat.line.receive)

    def part(self, seat: Seat) -> None:
        """Listen to it no more."""
        if not seat.is_parted:
            self._loop.remove_reader(seat.line)
            self._loop.remove_writer(seat.line)
            seat.close()

    def bury(self, seat: Seat, exit: PoolExit) -> None:
        """A process has exited: tell what became of its tasks. One not begun waits again."""
        if not seat.is_parted:
            self._read(seat, seat.line.drain)
        self.part(seat)
        is_known = exit.task != UNKNOWN
        for job in list(seat.jobs.values()):
            if not is_known or job.number == exit.task:
                self._release(job)
                job.lose(exit.status if is_known else None, exit.reason)
            elif job.is_bound:  # to a process that is not there any more
                self._release(job)
                job.task.outcome.cancel()
            else:
                self._take_back(job)

    def _read(self, seat: Seat, read: Callable[[], list[Frame]]) -> None:
        try:
            for frame in read():
                self._heed(seat, frame)
        except RemoteError as error:
            log.error("pool_line_broken", slot=seat.slot, pid=seat.pid, reason=str(error))
            seat.line.is_ended = True
            self._loop.call_later(ASK_AGAIN, self._say, Want(POOL))
        if seat.line.is_ended and not seat.is_parted:
            self.part(seat)
            self._loop.call_later(NEWS, self.bury, seat, PoolExit(seat.id, 0, UNKNOWN))

    def _heed(self, seat: Seat, frame: Frame) -> None:
        job = seat.jobs.get(frame.number)
        if job is not None and frame.kind in ANSWERS:
            self._end(seat, job, frame)
            return
        match frame.kind:
            case Kind.OFFER:
                self._then.use(seat, frame.ticket)
            case Kind.ITEM if job is not None:
                if not job.deliver(frame):
                    self.end(job, Doom.CANCELLED)
            case Kind.BEGUN if job is not None:
                self._begin(job)
            case Kind.BOUNCED if job is not None:
                self._take_back(job)
            case _:
                raise RemoteError(f"said {frame.kind} of task {frame.number}")

    def _end(self, seat: Seat, job: Job, answer: Frame) -> None:
        self.pace.note(job.task.submitted, job.begun)
        self._release(job)
        if job.doom:  # before the next task: that may be cancelled too
            self.tell(seat, Kind.GO_ON)
        if answer.ticket:
            self._then.use(seat, answer.ticket, may_keep=job.is_in_a_row)
        job.conclude(answer)

    def _release(self, job: Job) -> None:
        job.stop_timer()
        if job.seat is not None:
            del job.seat.jobs[job.number]
        self._then.forget(job)

    def _take_back(self, job: Job) -> None:
        """It has not begun; where nobody waits for it any more, it never will."""
        if job.task.outcome.done():
            self._release(job)
            return
        job.stop_timer()
        assert job.seat is not None, "a process had it"
        del job.seat.jobs[job.number]
        job.seat, job.doom, job.begun = None, "", 0
        self._then.take_back(job)
