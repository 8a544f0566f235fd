"""Reloads under load, by clients that never ask twice."""

import time
from collections import Counter
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.trial import Trial
from benchmarks.versus.contenders import EVERYONE, Contender, deployed
from benchmarks.versus.row import WORKERS, Effort, Outcome, Row
from tests.support import pacing
from tests.support.deploys import Deploys
from tests.support.load import Load
from tests.support.tidings import Plan, Report

CLIENTS = 16
TIMEOUT = 5.0  # seconds
LONGEST = 15.0  # seconds that a server has for a reload until the next is asked for
PAUSE = 0.01  # seconds between two requests of a client


def run(contender: Contender, effort: Effort, *, is_new_each_time: bool) -> Outcome:
    with TemporaryDirectory() as home:
        deploys = Deploys(Path(home))
        server = contender.serve(deployed(Path(home)), WORKERS)
        with Trial(server, log=Path(home) / "log") as trial:
            trial.until_serving(WORKERS)
            plan = Plan(
                port=trial.port,
                timeout=TIMEOUT,
                pause=PAUSE,
                most_failures=10**6,
                seconds=LONGEST * effort.reloads,
                per_request=CLIENTS if is_new_each_time else 0,
                posting=0 if is_new_each_time else CLIENTS,
            )
            with Load(plan) as load:
                loaded = reload_again_and_again(trial, deploys, effort)
                return judged(load.report(), loaded, effort)


def reload_again_and_again(trial: Trial, deploys: Deploys, effort: Effort) -> int:
    """Return how many reloads came to their end: no old process takes a connection any more."""
    loaded = 0
    for number in range(effort.reloads):
        old, due = trial.until_serving(WORKERS), time.monotonic() + effort.apart
        deploys.write(str(number + 2))
        if waiting := trial.reload():
            waiting.communicate()
        loaded += trial.retires(old, LONGEST)
        pacing.hold(max(0.0, due - time.monotonic()))
    return loaded


def judged(found: Report, loaded: int, effort: Effort) -> Outcome:
    failed = len(found.failures)
    told = f"{failed:,} of {found.served + failed:,}"
    if loaded < effort.reloads:
        told += f", {loaded} of {effort.reloads} loaded"
    kinds = Counter(failure.kind for failure in found.failures)
    return Outcome(told, failed == 0 and loaded == effort.reloads, {"kinds": kinds})


ROWS = (
    Row(
        title="reloads, a connection per request",
        done=f"{CLIENTS} clients ask, each request on a connection of its own, while the code is "
        "replaced and loaded again and again.",
        counted="Requests that were not answered, of all.",
        promise="0",
        run=partial(run, is_new_each_time=True),
        among=EVERYONE,
    ),
    Row(
        title="reloads, kept connections, POST",
        done=f"The same with {CLIENTS} clients that send POST after POST on one connection as long "
        "as it lasts, and repeat none: no client may, for the first may have had its effect.",
        counted="Requests that were not answered, of all.",
        promise="0",
        run=partial(run, is_new_each_time=False),
        among=EVERYONE,
    ),
)
