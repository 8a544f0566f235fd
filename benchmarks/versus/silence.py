"""Connections that were accepted and have said nothing when a drain begins, and then speak."""

import signal
from collections.abc import Callable
from contextlib import ExitStack, closing
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.trial import Trial
from benchmarks.versus.contenders import Contender, deployed
from benchmarks.versus.row import WORKERS, Effort, Outcome, Row
from tests.support import pacing
from tests.support.asking import Caller
from tests.support.deploys import Deploys

ACCEPTED, DRAINING = 0.5, 0.5  # seconds: no server tells a client when it is so
REPLACED = 20.0  # seconds at most until nobody old takes new connections
PATIENCE = 5.0  # seconds for an answer


def run(contender: Contender, effort: Effort) -> Outcome:
    reload = drain(contender, effort.silent, reloaded)
    stop = drain(contender, effort.silent, stopped)
    cell = f"{reload} of {effort.silent} at a reload, {stop} at a stop"
    return Outcome(cell, reload == stop == effort.silent)


def drain(contender: Contender, count: int, begins: Callable[[Trial, set[int]], None]) -> int:
    """Return how many of *count* were answered."""
    with TemporaryDirectory() as home, ExitStack() as opened:
        Deploys(Path(home))
        server = contender.serve(deployed(Path(home)), WORKERS)
        trial = opened.enter_context(Trial(server, log=Path(home) / "log"))
        old = trial.until_serving(WORKERS)
        callers = [
            opened.enter_context(closing(Caller(trial.port, number, PATIENCE)))
            for number in range(count)
        ]
        pacing.hold(ACCEPTED)
        begins(trial, old)
        pacing.hold(DRAINING)
        return sum(map(is_answered, callers))


def reloaded(trial: Trial, old: set[int]) -> None:
    if waiting := trial.reload():
        waiting.communicate()
    trial.retires(old, REPLACED)


def stopped(trial: Trial, _old: set[int]) -> None:
    trial.signal(signal.SIGTERM)


def is_answered(caller: Caller) -> bool:
    try:
        return caller.ask("/pid").status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False


ROWS = (
    Row(
        title="accepted, silent at the drain, then speaks",
        done="Clients connect and say nothing yet; the server is told to reload, or to stop; then "
        "they ask.",
        counted="How many are answered.",
        promise="all",
        run=run,
    ),
)
