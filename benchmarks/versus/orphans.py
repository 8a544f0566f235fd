"""What lives on when the first process is killed."""

import os
import signal
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.trial import Trial
from benchmarks.versus.contenders import WAYWARD, Contender
from benchmarks.versus.row import WORKERS, Effort, Outcome, Row
from benchmarks.versus.wedge import wedged
from tests.support import processes
from tests.support.processes import Watch

AFTER = 1.0  # second


def run(contender: Contender, effort: Effort) -> Outcome:
    free = orphans(contender, None)
    stuck = orphans(contender, effort.wedge)
    return Outcome(f"{free}; {stuck} with a wedged loop", free == stuck == 0)


def orphans(contender: Contender, wedge: float | None) -> int:
    """Return how many processes live *AFTER* their first was killed; one may be wedged."""
    with TemporaryDirectory() as home, ExitStack() as opened:
        log = Path(home) / "log"
        trial = opened.enter_context(Trial(contender.serve(WAYWARD, WORKERS), log=log))
        trial.until_serving(WORKERS)
        if wedge:
            opened.enter_context(wedged(trial, log, wedge))
        watch = opened.enter_context(Watch(processes.descendants(trial.pid)))
        os.kill(trial.pid, signal.SIGKILL)
        return len(watch.left(AFTER))


ROWS = (
    Row(
        title="SIGKILL of the first process",
        done="The process that was started is killed; and again while one worker's event loop "
        "stands still.",
        counted="Processes of its that live after a second.",
        promise="0; 0",
        run=run,
    ),
)
