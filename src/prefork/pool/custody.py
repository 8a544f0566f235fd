"""The tasks that pool processes have: how they are given, made to end, and what comes of them."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from prefork import log
from prefork.errors import RemoteError
from prefork.pool import codec
from prefork.pool.codec import Parcel
from prefork.pool.job import Doom, Job
from prefork.pool.line import Frame, Kind
from prefork.pool.pace import Pace
from prefork.pool.seat import Seat
from prefork.wire.descriptors import close_all
from prefork.wire.messages import Condemn, Message, PoolExit

HEAVY = 1024 * 1024  # bytes, above which a thread writes the parcel: 50 MB take 25 ms
UNKNOWN = -1  # as the task that a process ran
NEWS = 5.0  # seconds within which the primary tells of what became of a process whose line ended


class Callbacks(NamedTuple):
    """What the engine does: with a task that was not begun, with a process that is free, and once
    a task is nobody's any more."""

    take_back: Callable[[Job], None]
    use: Callable[[Seat, int], None]
    forget: Callable[[Job], None]


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
        self._thread: ThreadPoolExecutor | None = None  # writes heavy parcels
        self.pace = Pace()

    # -- saying --------------------------------------------------------------

    def give(self, job: Job, seat: Seat, ticket: int) -> None:
        """Have a process run it. *ticket*: of an offer of its; 0: as soon as it is free."""
        job.seat = seat
        seat.jobs[job.number] = job
        parcel = job.parcel
        if len(parcel.body) < HEAVY and (not parcel.buffers or parcel.size < HEAVY):
            self._send(job, seat, ticket, parcel)
            return
        writing = self._loop.run_in_executor(self._writer(), codec.to_file, parcel)
        writing.add_done_callback(lambda done: self._written(job, seat, ticket, done))

    def _written(self, job: Job, seat: Seat, ticket: int, file: "asyncio.Future[int]") -> None:
        """Its file is there; maybe nobody wants it any more, or not from that process."""
        error = file.exception()
        is_wanted = job.seat is seat and not job.doom and not seat.is_parted
        if is_wanted and error is None:
            self._send(job, seat, ticket, job.parcel._replace(file=file.result()))
            return
        if error is None:
            close_all([file.result()])
        if is_wanted or (job.doom and job.seat is seat):
            self._release(job)
            job.task.fail(error or asyncio.CancelledError())
        self.tell(seat, Kind.PASS, ticket=ticket)

    def _send(self, job: Job, seat: Seat, ticket: int, parcel: Parcel) -> None:
        task = job.task
        kind = Kind.RUN if task.items is None else Kind.STREAM
        try:
            seat.line.send(kind, job.number, ticket=ticket, at=task.submitted, parcel=parcel)
        except OSError as error:  # there is no memory for it
            self._release(job)
            task.fail(error)
            self.tell(seat, Kind.PASS, ticket=ticket)
            return
        if seat.line.unsent:
            self._watch(seat)
        job.begun = time.monotonic_ns()
        if task.timeout is not None:
            job.timer = self._loop.call_later(task.timeout, self._time_out, job)

    def _writer(self) -> ThreadPoolExecutor:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "prefork-pool")
        return self._thread

    def tell(self, seat: Seat, kind: int, number: int = 0, *, ticket: int = 0) -> None:
        if not seat.is_parted:
            seat.line.send(kind, number, ticket=ticket)
            if seat.line.unsent:
                self._watch(seat)

    def _watch(self, seat: Seat) -> None:
        self._loop.add_writer(seat.line, self._flush, seat)

    def _flush(self, seat: Seat) -> None:
        if seat.line.flush():
            self._loop.remove_writer(seat.line)

    def close(self) -> None:
        """Write nothing more."""
        if self._thread is not None:
            self._thread.shutdown(wait=False)

    # -- making them end -----------------------------------------------------

    def _time_out(self, job: Job) -> None:
        """Whoever waits is told at once."""
        self.end(job, Doom.OVERDUE)
        job.overrun()

    def end(self, job: Job, doom: str) -> None:
        """Ask a task to end that runs, and have its process killed after a while."""
        if job.seat is None or job.doom:
            return
        job.doom = doom
        if not job.begun:
            return  # it is being written, and will be dropped
        job.stop_timer()
        self.tell(job.seat, Kind.CANCEL, job.number)
        job.seat.signal()
        job.timer = self._loop.call_later(self._grace, self._condemn, job)

    def _condemn(self, job: Job) -> None:
        """Have its process killed, unless its answer is there.

        That hits nobody else's task: who was told to cancel is free for none before GO_ON.
        """
        seat = job.seat
        if seat is None:
            return
        if not seat.is_parted:
            self._read(seat, seat.line.drain)
        if job.number in seat.jobs:
            reason = f"its task {job.name} {job.doom} and did not end within {self._grace:g} s"
            self._say(Condemn(seat.id, reason))

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
            if is_known and job.number != exit.task and not job.is_bound:
                self._take_back(job)
            else:
                self._release(job)
                job.lose(exit.status if is_known else None, exit.reason)

    def _read(self, seat: Seat, read: Callable[[], list[Frame]]) -> None:
        try:
            for frame in read():
                self._heed(seat, frame)
        except RemoteError as error:
            log.error("pool_line_broken", slot=seat.slot, pid=seat.pid, reason=str(error))
            seat.line.is_ended = True
        if seat.line.is_ended and not seat.is_parted:
            self.part(seat)
            self._loop.call_later(NEWS, self.bury, seat, PoolExit(seat.id, 0, UNKNOWN))

    def _heed(self, seat: Seat, frame: Frame) -> None:
        job = seat.jobs.get(frame.number)
        match frame.kind:
            case Kind.OFFER:
                self._then.use(seat, frame.ticket)
            case Kind.ITEM if job is not None and job.task.items is not None:
                job.task.items.put(codec.unpack(frame.parcel))
            case Kind.BOUNCED if job is not None:
                self._take_back(job)
            case Kind.RESULT | Kind.ERROR | Kind.CANCELLED if job is not None:
                self.pace.note(job.task.submitted, job.begun)
                self._release(job)
                if job.doom:
                    self.tell(seat, Kind.GO_ON)
                job.conclude(frame)
            case _:
                raise RemoteError(f"said {frame.kind} of task {frame.number}")

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
