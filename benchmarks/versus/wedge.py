"""A worker whose event loop stands still, while clients go on coming."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.trial import Trial
from benchmarks.versus.contenders import WAYWARD, Contender
from benchmarks.versus.row import WORKERS, Effort, Outcome, Row
from benchmarks.versus.told import await_word
from tests.support import pacing
from tests.support.asking import Caller
from tests.support.load import Load
from tests.support.tidings import Plan, Report

APART = 0.1  # seconds between probes
TIMEOUT = 5.0  # seconds that a client waits for its answer
WEDGED = "app: wedged"
LOOK = 0.1  # seconds between two looks at the log
SOON = 4.0  # seconds: noticed at 2, on a machine that may have other things to do
LATEST = 3.0  # seconds that a probe may take: it is not to wait until the loop goes on
CULPRIT = Path(pacing.__file__).name  # a stack that tells where the loop stands names it


@dataclass(frozen=True, slots=True)
class Notice:
    """What the log has of it: *after* so many seconds, and whether with the stack."""

    after: float
    has_stack: bool

    def __str__(self) -> str:
        return f"noticed after {self.after:.1f} s{', stack logged' if self.has_stack else ''}"


def run(contender: Contender, effort: Effort) -> Outcome:
    with TemporaryDirectory() as home:
        log = Path(home) / "log"
        with Trial(contender.serve(WAYWARD, WORKERS), log=log) as trial:
            trial.until_serving(WORKERS)
            with wedged(trial, log, effort.wedge):
                plan = Plan(port=trial.port, apart=APART, timeout=TIMEOUT, most_failures=10**6)
                ends = time.monotonic() + effort.wedge - 2 * LOOK
                with Load(plan) as load:
                    noticed = watch(log, ends, effort.wedge)
                    found = load.report()
    return judged(found, noticed)


@contextmanager
def wedged(trial: Trial, log: Path, seconds: float) -> Iterator[int]:
    """Have one worker's event loop stand still; give its pid."""
    with closing(Caller(trial.port, timeout=seconds)) as caller:
        caller.send(f"/wedge?seconds={seconds}")
        yield int(await_word(log, WEDGED).split()[-1])


def watch(log: Path, ends: float, lasts: float) -> Notice | None:
    """Look at *log* until *ends*, which is *lasts* after the wedge, for a word about it."""
    first = 0.0
    while (now := time.monotonic()) < ends:
        if not first and remarks(log):
            first = now
        pacing.hold(LOOK)
    return Notice(first - (ends - lasts), CULPRIT in remarks(log)) if first else None


def remarks(log: Path) -> str:
    """Return what the server has written since the wedge."""
    return log.read_text(errors="replace").partition(WEDGED)[2].partition("\n")[2]


def judged(found: Report, noticed: Notice | None) -> Outcome:
    failed = len(found.failures)
    asked = found.served + failed
    told = f"{failed} of {asked}, slowest {found.slowest:.1f} s, {noticed or 'not noticed'}"
    is_noticed = noticed is not None and noticed.has_stack and noticed.after <= SOON
    return Outcome(told, failed == 0 and found.slowest <= LATEST and is_noticed)


ROWS = (
    Row(
        title="an event loop wedged for 25 s",
        done="A request blocks the event loop of one worker for 25 s, while a new connection comes "
        "each 0.1 s, and gives up after 5 s.",
        counted="Requests that were not answered, of all, the slowest that was, when the log said "
        "a word about it (gunicorn's `--timeout` is 30 s), and whether it said where the loop "
        "stands.",
        promise="0, none waits for the end, noticed after about 2 s, stack logged",
        run=run,
        is_quiet=True,
    ),
)
