"""Which workers that are ready may take connections, and who goes for it."""

from collections.abc import Iterator

from prefork.core import removal
from prefork.core.orders import Admit, Order, Suspend
from prefork.core.plan import Plan
from prefork.core.process import Phase, Process, Step
from prefork.core.roster import Roster
from prefork.core.slot import Slot
from prefork.core.supply import Supply


class Admission:
    """Whoever comes through its trial is put into rotation, and its elder leaves that."""

    def __init__(self, plan: Plan, roster: Roster, supply: Supply) -> None:
        self._plan = plan
        self._roster = roster
        self._supply = supply

    def proceed(self, now: float) -> Iterator[Order]:
        """Admit those whose trial is over; while nothing serves, whoever is ready."""
        for slot in self._roster.slots:
            worker = slot.coming
            if worker is None or worker.phase is not Phase.READY:
                continue
            if worker.is_proven or not any(each.serves for each in self._roster.slots):
                yield from self._admit(worker, slot, now)

    def _admit(self, worker: Process, slot: Slot, now: float) -> Iterator[Order]:
        worker.advance(Step.ADMIT)
        worker.is_in_rotation = True
        elder, slot.current, slot.coming = slot.current, worker, None
        self._roster.has_served = True
        self._supply.is_held = False  # where another worker failed, this one didn't
        slot.generation.worker_deaths.forget()
        yield Admit(worker.id)
        if worker.is_blocked:
            yield Suspend(worker.id)
        if elder is not None and elder.allows(Step.STOP):
            grace, has_heirs = self._plan.graceful_timeout, self._roster.has_heirs()
            yield removal.drain(elder, grace, now, has_heirs=has_heirs)
