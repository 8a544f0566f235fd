"""Which workers died in a round, and of what."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass

from tests.chaos.evidence import Evidence
from tests.chaos.schedule import Kind

from prefork.core.facts import Failed, Ready

KILLED = "killed by us"
BLOCKED = "killed by the primary, since it was blocked or stopped"
TOLD = "told to go"
FAILED = "its application could not be loaded"
STARVED = "born while the primary had no descriptors"
EPS = 0.05  # seconds by which the time of a deed may be late


@dataclass(frozen=True, slots=True)
class Death:
    pid: int
    slot: int
    at: float  # monotonic seconds: when it was killed, else when it was seen
    seen: float
    status: int
    cause: str  # empty: nothing explains it

    @property
    def is_kill(self) -> bool:
        return self.cause in (KILLED, BLOCKED)

    def explains(self, at: float, within: float) -> bool:
        """Whether what a client sees at that time may come of it.

        A stopped process dies later than it is told to, and any does on a busy machine.
        """
        return self.is_kill and self.at <= at <= self.seen + within


def deaths(evidence: Evidence) -> list[Death]:
    """Return the ends of all workers that had a pid and were seen to end, in their order."""
    return sorted(_deaths(evidence), key=lambda death: death.seen)


def _deaths(evidence: Evidence) -> Iterator[Death]:
    timeline = evidence.timeline
    pids, slots = timeline.pids(), timeline.slots()
    ready = {fact.id for _, fact in timeline.facts() if isinstance(fact, Ready)}
    for id, (seen, status) in timeline.exits().items():
        if id in pids and id in slots:
            at, cause = _cause(evidence, id, pids[id], seen)
            # The signal ends an import, which can't read what it is told.
            if cause == TOLD and status not in (0, -signal.SIGTERM if id not in ready else 0):
                cause = ""
            yield Death(pids[id], slots[id], at, seen, status, cause)


def _cause(evidence: Evidence, id: int, pid: int, seen: float) -> tuple[float, str]:
    """Return when it was doomed, and by what; the first that fits, as the kernel has it."""
    by_us = [deed.at for deed in evidence.of(Kind.KILL, Kind.KILL_ALL) if deed.pid == pid]
    is_sent_off = any(deed.pid == pid for deed in evidence.of(Kind.SEND_OFF))
    orders = {name: _order(evidence, name, id) for name in ("Abort", "Kill", "AskToStop", "Spawn")}
    killed, told = orders["Abort"] or orders["Kill"], orders["AskToStop"]
    if by_us:
        return by_us[0], KILLED
    if killed is not None and _is_hurt(evidence, pid, killed):
        return killed, BLOCKED
    if _has_failed(evidence, id):
        return seen, FAILED
    if (told is not None or is_sent_off) and killed is None:
        return seen, TOLD
    return seen, STARVED if _was_starved(evidence, orders["Spawn"]) else ""


def _order(evidence: Evidence, name: str, id: int) -> float | None:
    """When it was first given for the process."""
    given = (now for now, order in evidence.timeline.orders(name) if order.get("id") == id)
    return next(given, None)


def _is_hurt(evidence: Evidence, pid: int, at: float) -> bool:
    wounds = evidence.wounds()
    return any(deed.pid == pid and deed.at <= at for deed in wounds)


def _has_failed(evidence: Evidence, id: int) -> bool:
    return any(isinstance(fact, Failed) and fact.id == id for _, fact in evidence.timeline.facts())


def _was_starved(evidence: Evidence, born: float | None) -> bool:
    """Whether it was born while nothing could be opened; so was whatever its template is of."""
    lacking = evidence.of(Kind.STARVE_PRIMARY)
    return born is not None and any(deed.at - EPS <= born <= deed.until + 1 for deed in lacking)
