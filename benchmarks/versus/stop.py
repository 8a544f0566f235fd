"""A stop while a request is served that never ends."""

import signal
import time
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.trial import Trial
from benchmarks.versus.contenders import WAYWARD, Contender
from benchmarks.versus.row import WORKERS, Effort, Outcome, Row
from benchmarks.versus.told import await_word
from tests.support.asking import Caller

GRACE = 30.0  # seconds: prefork's default
SLACK = 5.0  # seconds beyond the grace, on a machine that has other things to do
CUT = 6  # prefork's exit code where work was cut
TOLD_WHY = {503, 504}


def run(contender: Contender, effort: Effort) -> Outcome:
    outcomes = [stop(contender, grace, effort.longest_stop) for grace in effort.graces]
    cell = "; ".join(outcome.cell for outcome in outcomes)
    return Outcome(cell, all(each.is_kept for each in outcomes))


def stop(contender: Contender, grace: float | None, longest: float) -> Outcome:
    options = () if grace is None else (contender.grace, f"{grace:.0f}")
    with TemporaryDirectory() as home:
        log = Path(home) / "log"
        with Trial(contender.serve(WAYWARD, WORKERS, *options), log=log) as trial:
            trial.until_serving(WORKERS)
            with closing(Caller(trial.port, timeout=longest + SLACK)) as caller:
                caller.send("/endless")
                await_word(log, "app: endless")
                return watched(trial, caller, grace, longest)


def watched(trial: Trial, caller: Caller, grace: float | None, longest: float) -> Outcome:
    """Ask for a stop, and see when it comes, and what the client is told."""
    asked = time.monotonic()
    trial.signal(signal.SIGTERM)
    told = "" if grace is None else f", told {grace:.0f} s"
    if not trial.ended(longest):
        return Outcome(f"**not after {longest:.0f} s**{told}", is_kept=False)
    took, code = time.monotonic() - asked, trial.exit_code
    status = answered(caller)
    is_kept = is_promised(took - (GRACE if grace is None else grace), status, code)
    return Outcome(f"{took:.0f} s{told}, {status or 'cut'}, exit {code}", is_kept)


def is_promised(beyond: float, status: int | None, code: int | None) -> bool:
    """Judge a stop that came so many seconds *beyond* its grace."""
    return beyond <= SLACK and status in TOLD_WHY and code == CUT


def answered(caller: Caller) -> int | None:
    """Return the status that the client was answered; None: its connection just ended."""
    try:
        return caller.reply().status
    except (OSError, HTTPException):
        return None


ROWS = (
    Row(
        title="SIGTERM with a request that never ends",
        done="A request waits for an answer that never comes when the server is told to stop; once "
        "with its defaults and once with 5 s as its own option allows.",
        counted="How long it takes to be gone, what the client was answered, and the exit code.",
        promise="the grace at most, 503, an exit code that tells",
        run=run,
        is_quiet=True,
    ),
)
