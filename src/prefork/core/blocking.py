"""What becomes of a worker whose event loop doesn't turn."""

from collections.abc import Iterator

from prefork.core.facts import Blocked, Recovered, Sighting, TimedOut, Verdict
from prefork.core.orders import Abort, Note, Order, Resume, Suspend
from prefork.core.process import Phase, Process, Step

ABORT_GRACE = 5.0  # seconds from SIGABRT to SIGKILL: what a handler of the application's gets
WORDS = {
    Verdict.LOOP: "its event loop was blocked",
    Verdict.INTERPRETER: "its interpreter was held",
    Verdict.STOPPED: "it was stopped",
}


def heed(worker: Process, sighting: Sighting, now: float) -> Iterator[Order]:
    """Act on what the watchdog saw; whoever drains or is on trial has a deadline already."""
    match sighting:
        case Blocked():
            worker.is_blocked = True
            if is_in_place(worker):
                yield Suspend(worker.id)
        case Recovered():
            worker.is_blocked = False
            if is_in_place(worker):
                yield Resume(worker.id)
        case TimedOut(_, verdict, seconds) if worker.allows(Step.ABORT):
            reason = f"{WORDS[verdict]} for {seconds:.0f} s (worker_timeout)"
            worker.crime = f"was aborted: {reason}"
            worker.advance(Step.ABORT, deadline=now + ABORT_GRACE)
            fields = (("slot", worker.slot), ("pid", worker.pid), ("reason", reason))
            yield Note("error", "worker_timeout", fields)
            yield Abort(worker.id, reason)
        case _:
            pass  # it is on its way out, and has a deadline


def is_in_place(worker: Process) -> bool:
    """Whether it is in rotation, or would be if it weren't blocked."""
    return worker.phase in (Phase.SERVING, Phase.LEAVING)
