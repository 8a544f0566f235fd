"""Tasks run by the processes of this instance's pool, each by one that is free.

A task waits here until a process is free; which are is told by tickets, which all workers read from
one pipe, or by a process's own offer. So it is always known who has which task.
"""

import asyncio
import os
from collections.abc import Callable
from functools import partial
from itertools import count

from prefork import log
from prefork.pool import codec
from prefork.pool.codec import Parcel
from prefork.pool.custody import ASK_AGAIN, Callbacks, Custody
from prefork.pool.engine import Call, Task
from prefork.pool.errors import PoolError
from prefork.pool.growth import Growth
from prefork.pool.job import Doom, Job
from prefork.pool.kept import Kept
from prefork.pool.ledger import Ledger
from prefork.pool.line import Kind
from prefork.pool.seat import Seat, Seats
from prefork.pool.terms import Lines, Terms
from prefork.pool.writer import Writer
from prefork.wire.board import Field
from prefork.wire.channel import Channel
from prefork.wire.descriptors import close_all
from prefork.wire.messages import POOL, Crowded, Message, PoolExit, PoolLine, Tickets, Want


class Processes:
    """An `Engine`. *say*: to the primary."""

    def __init__(
        self,
        terms: Terms,
        say: Callable[[Message], None],
        lines: Lines,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._terms = terms
        self._say = say
        self._lines = lines
        self._board = lines.own
        self._loop = loop
        self._ledger: Ledger[Job] = Ledger(terms.limit)
        self._numbers = count(terms.first_task)  # of no other worker's task
        self._jobs: dict[Task, Job] = {}
        self._seats = Seats()
        then = Callbacks(self._wait, self._use, self._forget)
        self._custody = Custody(loop, say, terms.grace, then)
        self.pace = self._custody.pace
        self._is_wanted = False  # lines were asked for
        self._is_closed = False
        self._writer = Writer(loop)
        self._has_met = asyncio.Event()  # all processes that were ready, or the first
        self._listens = False  # for tickets
        self._kept = Kept()
        self._growth = Growth(loop, lambda: bool(self._ledger.places), lambda: self._say(Crowded()))

    # -- what the front asks -------------------------------------------------

    def submit(self, task: Task) -> None:
        self._require_open()
        self._ledger.require_room(self.pace, len(self._seats), beside=self._writer.count)
        job = self._job(task, codec.pack_call(task.call))
        if job.parcel.is_large:
            self._writer.write(job.parcel, partial(self._written, job))
        else:
            self._dispatch(job)

    def _dispatch(self, job: Job) -> None:
        """Give it to who is free, or let it wait."""
        free = None if self._ledger.places else self._take_free()
        if free is None:
            self._wait(job)
        else:
            self._custody.give(job, *free)
            self._board[Field.TASKS_RUNNING] = len(self._jobs) - self._writer.count

    def _written(self, job: Job, written: Parcel | None, error: BaseException | None) -> None:
        """Its arguments are in a file, or can't be; maybe nobody waits for it any more."""
        if job.task not in self._jobs:
            return
        if written is None:
            self._forget(job)
            job.task.fail(error or PoolError("the arguments could not be written"))
        else:
            job.parcel = written
            self._dispatch(job)

    async def submit_to_all(self, call: Call, limit: float | None) -> list[Task]:
        self._want()
        parcel, tasks = codec.pack_call(call), []
        bound = sum(each.is_bound and not (each.begun or each.doom) for each in self._jobs.values())
        beside = bound + self._writer.count
        with self._ledger.announced(self.pace, len(self._seats), beside):
            parcel = await self._writer.written(parcel)
            while not self._seats.are_there:
                self._require_open()
                self._has_met.clear()
                await self._has_met.wait()
        for seat in [each for each in self._seats if not each.is_parted]:
            task = Task(call, self._loop.create_future(), limit)
            job = self._job(task, parcel)
            job.is_bound = True
            self._custody.give(job, seat, 0)
            tasks.append(task)
        self._publish()
        return tasks

    def cancel(self, task: Task) -> None:
        job = self._jobs.get(task)
        if job is None:
            return
        if self._ledger.remove(job) or job.seat is None:
            self._forget(job)
        else:
            self._custody.end(job, Doom.CANCELLED)

    def took(self, task: Task, items: int) -> None:
        job = self._jobs.get(task)
        if job is not None and job.seat is not None:
            self._custody.tell(job.seat, Kind.TOOK, job.number, ticket=items)

    def counts(self) -> dict[str, int]:
        waiting = len(self._ledger.places) + self._writer.count
        running = len(self._jobs) - waiting
        return {"size": len(self._seats), "waiting": waiting, "running": running}

    async def close(self) -> None:
        self._is_closed = True
        self._has_met.set()
        for job in list(self._jobs.values()):
            job.stop_timer()
            self._ledger.remove(job)
            self._forget(job)
            job.task.fail(PoolError("the pool was closed"))
        for seat in self._seats:
            self._custody.part(seat)
            self._seats.remove(seat.id)
        self._writer.close()
        self._growth.close()
        self._take_tickets(None)

    # -- waiting -------------------------------------------------------------

    def _require_open(self) -> None:
        if self._is_closed:
            raise PoolError("the pool was closed")

    def _want(self) -> None:
        if not self._is_wanted:
            self._is_wanted = True
            self._say(Want(POOL))

    def _job(self, task: Task, parcel: Parcel) -> Job:
        self._want()
        return self._jobs.setdefault(task, Job(task, next(self._numbers), parcel))

    def _wait(self, job: Job) -> None:
        """Let it wait. The board says so before the tickets are looked at once more.

        A process writes its ticket after it saw nobody wait: one of both sees the other.
        """
        self._ledger.add(job, job.task.priority)
        job.has_waited = True
        self._publish()
        self._listen(True)
        while self._ledger.places and (free := self._take_free()) is not None:
            self._use(*free)
        if self._ledger.places and self._terms.grows:
            self._growth.consider()

    def _take_free(self) -> tuple[Seat, int] | None:
        return self._kept.take() or self._seats.take_free()

    def _use(self, seat: Seat, ticket: int, *, may_keep: bool = False) -> None:
        """Give what waits to a process that is free; *may_keep*: the next task may come at once."""
        if not seat.offers(ticket):
            return
        if may_keep and not self._ledger.places:
            self._kept.keep(seat, ticket, self.pace.latest)
            return
        job = self._ledger.take()
        self._publish()  # first: who is quick would offer itself to us for what it has done
        if job is None:
            self._custody.tell(seat, Kind.PASS, ticket=ticket)
        else:
            self._custody.give(job, seat, ticket)

    def _forget(self, job: Job) -> None:
        """It has ended."""
        self._jobs.pop(job.task, None)
        if job.has_waited:
            self._ledger.forget(job)
        self._publish()

    def _publish(self) -> None:
        waiting = len(self._ledger.places)
        self._board[Field.TASKS_WAITING] = waiting
        self._board[Field.TASKS_RUNNING] = max(0, len(self._jobs) - waiting - self._writer.count)

    def _listen(self, wants: bool) -> None:
        """Wake for tickets, or no more. One wake in vain is cheaper than to say so each time."""
        tickets = self._seats.tickets
        if tickets is None or wants == self._listens:
            return
        self._listens = wants
        if wants:
            self._loop.add_reader(tickets, self._on_tickets)
        else:
            self._loop.remove_reader(tickets)

    def _on_tickets(self) -> None:
        if not self._ledger.places:
            self._listen(False)
        elif (free := self._seats.take_free()) is not None:  # one alone: others may wait too
            self._use(*free)

    # -- who comes and goes --------------------------------------------------

    def hear(self, message: Tickets | PoolLine | PoolExit, channel: Channel) -> None:
        """Heed what the primary says of the pool."""
        try:
            match message:
                case PoolExit(id):
                    if seat := self._seats.remove(id):
                        self._custody.bury(seat, message)
                case _ if self._is_closed:
                    close_all(channel.claim(message.descriptors))
                case Tickets():
                    self._take_tickets(*channel.claim(message.descriptors))
                case PoolLine():
                    self._meet(message, channel.claim(message.descriptors))
        except OSError as error:  # too many are open here
            log.error("pool_line_lost", reason=error.strerror, effect="it is asked for again")
            self._loop.call_later(ASK_AGAIN, self._say, Want(POOL))

    def _take_tickets(self, descriptor: int | None) -> None:
        """Read tickets from here; None: from nowhere."""
        self._listen(False)
        if self._seats.tickets is not None:
            os.close(self._seats.tickets)
        self._seats.tickets = descriptor
        self._listen(True)
        self._has_met.set()

    def _meet(self, message: PoolLine, given: list[int]) -> None:
        seat = Seat.of(message, given, self._lines.of(message.line))
        ticket = self._seats.add(seat)  # an earlier line to it ends when all is said on it
        self._custody.meet(seat)
        self._has_met.set()
        if ticket is not None:
            self._use(seat, ticket)  # if it stands yet
