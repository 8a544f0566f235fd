"""Workers that are to go, or have lost their primary: how long they are there."""

import os
import signal
import time
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.trial import Trial
from benchmarks.versus.contenders import Contender
from benchmarks.versus.row import WORKERS, Effort, Outcome, Row
from benchmarks.versus.wedge import wedged
from benchmarks.versus_node.contenders import BOTH, SCRIPT
from tests.support import processes
from tests.support.asking import Caller, ask
from tests.support.processes import Watch

WORK = 1.0  # seconds that the request takes
SOON = 1.0  # second: that it is over is known at once
LONGEST = 30.0  # seconds


def disconnected(contender: Contender, _effort: Effort) -> Outcome:
    with TemporaryDirectory() as home, ExitStack() as opened:
        server = contender.serve(SCRIPT, WORKERS)
        trial = opened.enter_context(Trial(server, log=Path(home) / "log"))
        pids = trial.until_serving(WORKERS)
        caller = opened.enter_context(closing(Caller(trial.port)))
        caller.send(f"/slow?seconds={WORK}")
        watch = opened.enter_context(Watch(pids))
        ask(trial.port, "/disconnect")
        reply = caller.reply()
        at = time.monotonic()
        left = watch.left(LONGEST)
        took = time.monotonic() - at
    said = reply.headers.get("connection", "keep-alive").lower()
    lasted = f"not gone after {LONGEST:.0f} s" if left else f"gone {took:.1f} s later"
    is_right = said == "close" and not left
    facts = {"seconds": took, "is_right": is_right}
    return Outcome(f"`Connection: {said}`, {lasted}", is_right and took <= SOON, facts)


def orphaned(contender: Contender, effort: Effort) -> Outcome:
    with TemporaryDirectory() as home, ExitStack() as opened:
        log = Path(home) / "log"
        trial = opened.enter_context(Trial(contender.serve(SCRIPT, WORKERS), log=log))
        trial.until_serving(WORKERS)
        opened.enter_context(wedged(trial, log, effort.wedge))
        watch = opened.enter_context(Watch(processes.descendants(trial.pid)))
        at = time.monotonic()
        os.kill(trial.pid, signal.SIGKILL)
        left = watch.left(effort.wedge + LONGEST)
        took = time.monotonic() - at
    facts = {"seconds": took, "is_right": not left}
    return Outcome(f"{took:.1f} s", not left and took <= SOON, facts)


ROWS = (
    Row(
        title="disconnect while a request is served",
        done=f"A request that takes {WORK:.0f} s is being served on a connection that its client "
        "keeps, when the script calls `cluster.disconnect()`.",
        counted="What the answer says of the connection, and how long after it the last worker "
        "lives.",
        promise="`close`, gone within a second",
        run=disconnected,
        among=BOTH,
    ),
    Row(
        title="the primary killed while a worker is blocked",
        done="The event loop of one worker stands still for 25 s, and the primary is killed.",
        counted="How long the last worker outlives it.",
        promise="1 s at most",
        run=orphaned,
        among=BOTH,
        is_quiet=True,
    ),
)
