"""What a script decides that forks its own workers: who comes, and who goes."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, assert_never

from prefork.core import removal
from prefork.core.facts import DisconnectRequested, ForkRequested
from prefork.core.orders import GiveUp, Note, Order, ReleaseListeners
from prefork.core.plan import Plan
from prefork.core.process import Process, Role, Step
from prefork.core.roster import Roster
from prefork.errors import ExitCode


class Seat(NamedTuple):
    """Who comes next, and where: the lowest slot that is free."""

    id: int
    slot: int


class Script:
    """A slot is there while somebody is in it, or is to come: nobody is replaced unasked."""

    def __init__(self, plan: Plan, roster: Roster) -> None:
        self._plan = plan
        self._roster = roster
        self._going: set[int] | None = None  # ids that a disconnect waits for; None: there is none
        self.is_over = False  # all have gone, and nobody was asked for since
        self.code = ExitCode.OK  # what the program exits with, if it ends by that

    def reserve(self) -> Seat:
        """Name the next worker."""
        return Seat(self._roster.next_id(), self._roster.lowest_free())

    def heed(
        self, wish: ForkRequested | DisconnectRequested, now: float, *, is_ending: bool
    ) -> Iterator[Order]:
        """*is_ending*: the fleet is, so that all are on their way, and nobody else comes."""
        match wish:
            case ForkRequested(id):
                yield from [GiveUp(id)] if is_ending else self._fork(wish, now)
            case DisconnectRequested():
                yield from () if is_ending else self._disconnect(wish, now)
            case _:
                assert_never(wish)

    def _fork(self, fact: ForkRequested, now: float) -> Iterator[Order]:
        """Have it come when its slot is due: after deaths in a row that is a while."""
        self.is_over, self.code = False, ExitCode.OK
        slot = self._roster.occupy(fact.slot, fact.id)
        if slot.retry_at > now:
            wait = slot.retry_at - now
            fields = (("process", "worker"), ("slot", slot.index), ("seconds", wait))
            yield Note("warning", "backing_off", fields)

    def _disconnect(self, fact: DisconnectRequested, now: float) -> Iterator[Order]:
        """Have one go, or all that there are now; those that were to come don't."""
        yield from self.give_up(fact.id)
        workers = [p for p in self._roster.of(Role.WORKER) if fact.id in (None, p.id)]
        if fact.id is None:
            self._going = {p.id for p in workers} | (self._going or set())
        yield from self.send_away(workers, now)
        self._roster.vacate()

    def give_up(self, id: int | None = None) -> Iterator[Order]:
        """Have those not come that have to wait for their time, or one of them."""
        for slot in self._roster.slots:
            if slot.ticket is not None and id in (None, slot.ticket):
                yield GiveUp(slot.ticket)
                slot.ticket = None
        self._roster.vacate()

    def send_away(self, workers: Sequence[Process], now: float) -> Iterator[Order]:
        """Ask workers to finish; nobody is to come in their places, and none is another's heir."""
        for worker in workers:
            self._take_off(worker, workers)
        grace, has_heirs = self._plan.graceful_timeout, self._roster.has_heirs()
        for worker in workers:
            if worker.allows(Step.STOP):
                yield removal.drain(worker, grace, now, has_heirs=has_heirs)

    def _take_off(self, worker: Process, others: Sequence[Process]) -> None:
        """Take it off its slot; but one whose elder stays counts as failed when it has gone.

        Its place would be filled again, and again by one that goes, as long as a reload lasts.
        """
        slot = self._roster.slot_of(worker)
        if slot is None:
            return
        if slot.coming is worker and slot.current is not None and slot.current not in others:
            worker.crime = "was not to take over"
            return
        slot.current = None if slot.current is worker else slot.current
        slot.coming = None if slot.coming is worker else slot.coming
        self._roster.vacate()

    def note_exit(self, process: Process, status: int) -> None:
        """Remember work that was cut by a disconnect of all: it may be how the program ends."""
        if self._going is not None and process.id in self._going and process.has_cut(status):
            self.code = ExitCode.CUT

    def proceed(self) -> Iterator[Order]:
        """Let the listeners go when all have gone that were told to."""
        if self._going is None:
            return
        self._going &= self._roster.processes.keys()
        if not self._going:
            self._going = None
            self.is_over = True
            yield ReleaseListeners()

    def is_done(self) -> bool:
        """Whether nothing is left, and nothing is to come."""
        return self.is_over and not self._roster.slots and not self._roster.of(Role.WORKER)
