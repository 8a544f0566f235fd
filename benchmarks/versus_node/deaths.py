"""Workers that are killed while clients are on their way to them."""

import os
import signal
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.trial import Trial
from benchmarks.versus.contenders import Contender
from benchmarks.versus.row import WORKERS, Effort, Outcome, Row
from benchmarks.versus_node.contenders import BOTH, SCRIPT
from benchmarks.versus_node.crowd import Crowd
from tests.support import pacing, processes
from tests.support.processes import Watch

HANDED = 0.3  # seconds in which every connection has been handed to somebody
HANGS = 5.0  # seconds without an answer
RESPAWN = 1.5  # seconds until the script forks again
APART = 0.05  # seconds between connections meanwhile
BACK = 20.0  # seconds at most until a new worker has answered


def killed_with_a_connection(contender: Contender, effort: Effort) -> Outcome:
    with TemporaryDirectory() as home:
        server = contender.serve(SCRIPT, WORKERS)
        with Trial(server, log=Path(home) / "log") as trial, Crowd(trial.port) as crowd:
            victim = min(trial.until_serving(WORKERS))
            os.kill(victim, signal.SIGSTOP)  # from now on it takes nothing
            processes.until_state(victim, "T")
            for _ in range(effort.silent):
                crowd.join()
            pacing.hold(HANDED)
            os.kill(victim, signal.SIGKILL)
            crowd.answered(HANGS)
            return Outcome(f"{crowd.size} of {effort.silent} hang", crowd.size == 0)


def all_gone(contender: Contender, _effort: Effort) -> Outcome:
    count = round(RESPAWN / APART) - 5  # so that the last comes while nobody is there
    with TemporaryDirectory() as home:
        server = contender.serve(SCRIPT, WORKERS, "--respawn", str(RESPAWN))
        with Trial(server, log=Path(home) / "log") as trial, Crowd(trial.port) as crowd:
            kill(trial.until_serving(WORKERS))
            for _ in pacing.beats(APART, count * APART):
                crowd.join()
            answered = crowd.answered(BACK)
            told = f"{crowd.refused} of {count} refused, {answered} answered"
            return Outcome(told, answered == count)


def kill(pids: Iterable[int]) -> None:
    """Kill them all, and wait until they are gone."""
    with Watch(pids) as watch:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        assert watch.left(5) == []


ROWS = (
    Row(
        title="a worker killed with connections that it had not taken",
        done="One worker is stopped, 10 clients connect and ask, and the worker is killed.",
        counted=f"How many have no answer {HANGS:.0f} s later, although another worker is idle.",
        promise="0",
        run=killed_with_a_connection,
        among=BOTH,
    ),
    Row(
        title="no worker for 1.5 s",
        done=f"All workers are killed at once; the script forks new ones {RESPAWN} s later, and "
        f"clients come each {APART} s meanwhile.",
        counted="How many were refused, and how many answered in the end.",
        promise="0 refused, all answered",
        run=all_gone,
        among=BOTH,
    ),
)
