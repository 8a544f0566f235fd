"""How a process is made to go: asked, with a deadline, and killed when that has passed."""

from collections.abc import Iterator

from prefork.core.orders import AskToStop, Kill, Note, Order
from prefork.core.process import Phase, Process, Step
from prefork.core.roster import Roster

KILL_GRACE = 0.25  # seconds after a worker's own deadline before it is killed
HURRY = 1.0  # seconds for whoever has nothing to finish, and after a second stop request


def drain(process: Process, grace: float, now: float, *, has_heirs: bool = False) -> Order:
    """Ask it to finish within *grace* seconds; a second time only shortens that.

    *has_heirs*: others serve, and go on with what it has nothing to finish on.
    """
    deadline = now + grace + KILL_GRACE
    if process.phase in (Phase.DRAINING, Phase.ABORTED) and process.deadline is not None:
        deadline = min(deadline, process.deadline)
    hands_back = has_heirs and process.phase in (Phase.SERVING, Phase.LEAVING)
    process.advance(Step.STOP, deadline=deadline)
    return remind(process, now, hands_back=hands_back)


def dismiss(process: Process, now: float) -> Order:
    """Ask a template or the hub to leave at once: it has nothing to finish."""
    process.advance(Step.STOP, deadline=now + HURRY)
    return AskToStop(process.id, 0.0)


def remind(process: Process, now: float, *, hands_back: bool = False) -> Order:
    """Tell it its deadline: when that is set, and when its pid is known at last."""
    assert process.deadline is not None, "whoever drains has a deadline"
    return AskToStop(process.id, max(0.0, process.deadline - KILL_GRACE - now), hands_back)


def expire(process: Process, roster: Roster, start_timeout: float) -> Iterator[Order]:
    """Kill one whose deadline has passed, for what it had to have done by then."""
    crime = "did not finish in time"
    if process.phase is Phase.ABORTED:
        crime = process.crime
    elif process.phase is Phase.READY:
        crime = "did not come through its trial: its event loop is blocked"
    elif process.ready_at is None and process.phase is not Phase.DRAINING:
        crime = f"was not ready within {start_timeout:g} s (start_timeout)"
        fields = (("process", process.role.value), ("slot", process.slot), ("pid", process.pid))
        yield Note("error", "start_timeout", (*fields, ("generation", process.generation)))
    yield from kill(process, roster, crime)


def kill(process: Process, roster: Roster, crime: str = "") -> Iterator[Order]:
    """Kill it, unless it is dying; and a template that did not fork it for so long."""
    if not process.allows(Step.KILL):
        return
    process.crime = crime
    process.advance(Step.KILL)
    yield Kill(process.id, crime)
    if process.pid is None and (template := roster.get(process.parent or 0)):
        yield from kill(template, roster, "did not fork a worker in time")
