"""How a process is made to go: asked, with a deadline, and killed when that has passed."""

from collections.abc import Iterator

from prefork.core.messages import AskToStop, Kill, Order
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


def dismiss(template: Process, now: float) -> Order:
    """Ask a template to leave at once: it has nothing to finish."""
    template.advance(Step.STOP, deadline=now + HURRY)
    return AskToStop(template.id, 0.0)


def remind(process: Process, now: float, *, hands_back: bool = False) -> Order:
    """Tell it its deadline: when that is set, and when its pid is known at last."""
    assert process.deadline is not None, "whoever drains has a deadline"
    return AskToStop(process.id, max(0.0, process.deadline - KILL_GRACE - now), hands_back)


def kill(process: Process, roster: Roster, crime: str = "") -> Iterator[Order]:
    """Kill it, unless it is dying; and a template that did not fork it for so long."""
    if not process.allows(Step.KILL):
        return
    process.crime = crime
    process.advance(Step.KILL)
    yield Kill(process.id)
    if process.pid is None and (template := roster.get(process.parent or 0)):
        yield from kill(template, roster, "did not fork a worker in time")
