"""How many slots there are to be, and what becomes of those that are one too many."""

from collections.abc import Iterator

from prefork.core import removal
from prefork.core.orders import Note, Order
from prefork.core.plan import Plan
from prefork.core.process import Step
from prefork.core.roster import Roster


class Scaling:
    """New slots are filled like any other; the last go first."""

    def __init__(self, plan: Plan, roster: Roster) -> None:
        self._plan = plan
        self._roster = roster

    def change(self, by: int, now: float, *, is_ending: bool) -> Iterator[Order]:
        """Have so many more workers, or fewer, unless that can't be."""
        if self._plan.scripted or self._plan.is_bare:
            reason = "a script decides, by fork()" if self._plan.scripted else "it has no workers"
            yield Note("warning", "scale_refused", (("reason", reason),))
            return
        workers = len(self._roster.slots) + by
        if is_ending or not 1 <= workers <= self._plan.most_workers:
            limits = (("least", 1), ("most", self._plan.most_workers))
            yield Note("warning", "scale_refused", (("workers", workers), *limits))
            return
        yield Note("info", "scaled", (("workers", workers),))
        grace, gone = self._plan.graceful_timeout, self._roster.resize(workers)
        has_heirs = self._roster.has_heirs()
        for slot in gone:
            for process in (slot.current, slot.coming):
                if process is not None and process.allows(Step.STOP):
                    yield removal.drain(process, grace, now, has_heirs=has_heirs)
