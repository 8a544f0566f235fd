"""Worn workers: each is replaced by a successor that serves first, and never two at a time."""

from collections.abc import Iterator

from prefork.core import removal
from prefork.core.facts import Overgrown, Worn
from prefork.core.orders import Note, Order
from prefork.core.process import Phase, Process, Step
from prefork.core.reload import Reload
from prefork.core.roster import Roster
from prefork.core.slot import Slot
from prefork.core.supply import Supply


class Recycling:
    """It is no crash: there is no back-off, since one at a time is slow enough."""

    def __init__(self, roster: Roster, supply: Supply, reload: Reload) -> None:
        self._roster = roster
        self._supply = supply
        self._reload = reload
        self._reasons: dict[int, str] = {}  # by id, of those that wait for their turn; oldest first
        self._latest = 0  # id of the last whose turn came

    def heed(self, fact: Worn | Overgrown) -> Iterator[Order]:
        """Have it wait for its turn; what grows on and on can't."""
        worker = self._roster.get(fact.id)
        if worker is None:
            return
        if isinstance(fact, Worn):
            self._reasons.setdefault(fact.id, fact.reason)
        else:
            yield from removal.kill(worker, self._roster, fact.reason)

    def proceed(self, now: float) -> Iterator[Order]:
        """Let the next have its turn, where nothing else is on the move."""
        self._reasons = {id: why for id, why in self._reasons.items() if self._roster.get(id)}
        for id, reason in self._reasons.items():
            worker = self._roster.processes[id]
            slot = self._roster.slot_of(worker)
            if worker.phase is Phase.SERVING and slot is not None and self._is_calm():
                yield self._begin(worker, slot, reason, now)

    def _begin(self, worker: Process, slot: Slot, reason: str, now: float) -> Order:
        self._latest = worker.id
        worker.advance(Step.LEAVE, deadline=worker.deadline)
        slot.recycled += 1
        slot.retry_at = now
        who = (("slot", worker.slot), ("pid", worker.pid), ("generation", worker.generation))
        return Note("info", "worker_recycled", (*who, ("reason", reason)))

    def _is_calm(self) -> bool:
        """Whether the fleet is whole, no slot is moving, and the last one's old worker is gone."""
        is_moving = any(slot.is_moving for slot in self._roster.slots)
        is_over = self._roster.get(self._latest) is None
        return is_over and not is_moving and not self._reload.is_due and self._supply.is_whole()
