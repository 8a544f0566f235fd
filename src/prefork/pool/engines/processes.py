"""Tasks run by the processes of this instance's pool, each by one that is free.

A task waits here until a process is free; which are is told by tickets, which all workers read from
one pipe, or by a process's own offer. So it is always known who has which task.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from prefork import log
from prefork.pool import codec
from prefork.pool.codec import Parcel
from prefork.pool.custody import Callbacks, Custody
from prefork.pool.engine import Call, Task
from prefork.pool.errors import PoolError
from prefork.pool.job import Doom, Job
from prefork.pool.ledger import Ledger
from prefork.pool.line import Kind
from prefork.pool.seat import Seat, Seats
from prefork.wire import stream
from prefork.wire.board import Field
from prefork.wire.channel import Channel
from prefork.wire.messages import (
    POOL,
    TASKS_OF_ONE,
    Crowded,
    Message,
    PoolExit,
    PoolLine,
    Tickets,
    Want,
)

CROWDED_AFTER = 0.01  # seconds for which tasks wait, before one process more is asked for
CROWDED_EVERY = 0.1  # seconds after which it is asked for again
ASK_AGAIN = 1.0  # seconds after which lines are asked for that no descriptor was free for


@dataclass(frozen=True, slots=True)
class Terms:
    """*worker*: its id. *limit*: how many of its tasks may wait. *grace*: seconds from asking a
    task to end until its process is killed. *grows*: there may be more processes than there are."""

    worker: int
    limit: int
    grace: float
    grows: bool


class Processes:
    """An `Engine`. *say*: to the primary. *board*: this worker's line of that."""

    def __init__(
        self,
        terms: Terms,
        say: Callable[[Message], None],
        board: memoryview,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._terms = terms
        self._say = say
        self._board = board
        self._loop = loop
        self._ledger: Ledger[Job] = Ledger(terms.limit)
        self._numbers = count(terms.worker * TASKS_OF_ONE + 1)  # of no other worker's task
        self._jobs: dict[Task, Job] = {}
        self._seats = Seats()
        callbacks = Callbacks(self._wait, self._use, self._forget)
        self._custody = Custody(loop, say, terms.grace, callbacks)
        self.pace = self._custody.pace
        self._is_wanted = False  # lines were asked for
        self._has_met = asyncio.Event()  # all processes that were ready, or the first
        self._listens = False  # for tickets
        self._growth: asyncio.TimerHandle | None = None  # asks for one process more

    # -- what the front asks -------------------------------------------------

    def submit(self, task: Task) -> None:
        self._ledger.require_room(self.pace, len(self._seats))
        waiting = len(self._ledger)
        job = self._job(task, codec.pack_call(task.call))
        free = None if waiting else self._seats.take_free()
        if free is None:
            self._wait(job)
        else:
            self._custody.give(job, *free)
            self._board[Field.TASKS_RUNNING] = len(self._jobs) - waiting

    async def submit_to_all(self, call: Call, limit: float | None) -> list[Task]:
        parcel, tasks = codec.pack_call(call), []
        self._want()
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
        if job is not None and self._ledger.remove(job):
            self._forget(job)
        elif job is not None:
            self._custody.end(job, Doom.CANCELLED)

    def took(self, task: Task, items: int) -> None:
        job = self._jobs.get(task)
        if job is not None and job.seat is not None:
            self._custody.tell(job.seat, Kind.TOOK, job.number, ticket=items)

    def counts(self) -> dict[str, int]:
        waiting = len(self._ledger)
        running = len(self._jobs) - waiting
        return {"size": len(self._seats), "waiting": waiting, "running": running}

    async def close(self) -> None:
        for job in list(self._jobs.values()):
            job.stop_timer()
            self._ledger.remove(job)
            self._forget(job)
            job.task.fail(PoolError("the pool was closed"))
        for seat in self._seats:
            self._custody.part(seat)
            self._seats.remove(seat.id)
        self._custody.close()
        self._take_tickets(None)
        if self._growth is not None:
            self._growth.cancel()

    # -- waiting -------------------------------------------------------------

    def _want(self) -> None:
        if not self._is_wanted:
            self._is_wanted = True
            self._say(Want(POOL))

    def _job(self, task: Task, parcel: Parcel) -> Job:
        self._want()
        job = self._jobs[task] = Job(task, next(self._numbers), parcel)
        return job

    def _wait(self, job: Job) -> None:
        """Let it wait. The board says so before the tickets are looked at once more.

        A process writes its ticket after it saw nobody wait: one of both sees the other.
        """
        self._ledger.add(job, job.task.priority)
        job.has_waited = True
        self._publish()
        self._listen(True)
        while self._ledger and (free := self._seats.take_free()) is not None:
            self._use(*free)
        if self._ledger and self._terms.grows and self._growth is None:
            self._growth = self._loop.call_later(CROWDED_AFTER, self._grow)

    def _use(self, seat: Seat, ticket: int) -> None:
        """Give what waits to a process that is free."""
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
        waiting = len(self._ledger)
        self._board[Field.TASKS_WAITING] = waiting
        self._board[Field.TASKS_RUNNING] = len(self._jobs) - waiting

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
        if not self._ledger:
            self._listen(False)
        elif (free := self._seats.take_free()) is not None:  # one alone: others may wait too
            self._use(*free)

    def _grow(self) -> None:
        self._growth = None
        if self._ledger:
            self._say(Crowded())
            self._growth = self._loop.call_later(CROWDED_EVERY, self._grow)

    # -- who comes and goes --------------------------------------------------

    def hear(self, message: Tickets | PoolLine | PoolExit, channel: Channel) -> None:
        """Heed what the primary says of the pool."""
        try:
            match message:
                case PoolExit(id):
                    if seat := self._seats.remove(id):
                        self._custody.bury(seat, message)
                case Tickets():
                    self._take_tickets(*channel.claim(1))
                case PoolLine():
                    self._meet(message, channel.claim(2 if message.has_handle else 1))
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
        self._note_met()

    def _note_met(self) -> None:
        """With the tickets we have lines to all that are ready; or one comes later."""
        if self._seats.tickets is not None and len(self._seats):
            self._has_met.set()

    def _meet(self, message: PoolLine, given: list[int]) -> None:
        sock, handle = stream.adopt_pair_end(given[0]), given[1] if given[1:] else None
        seat = Seat(message.id, message.slot, message.pid, sock, handle)
        ticket = self._seats.add(seat)  # an earlier line to it ends when all is said on it
        self._custody.meet(seat)
        self._note_met()
        if ticket is not None:
            self._use(seat, ticket)
