"""Workers that die: under load, and while the code on disk is broken."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.bad_reloads import end, judged
from benchmarks.trial import Trial
from benchmarks.versus.contenders import EVERYONE, Contender, deployed
from benchmarks.versus.row import WORKERS, Effort, Outcome, Row
from benchmarks.versus.toll import REPLACED, kill_one, toll
from tests.support import pacing
from tests.support.deploys import Deploys
from tests.support.load import Load
from tests.support.tidings import Plan

CLIENTS = 8  # of each kind
TIMEOUT = 5.0  # seconds
SETTLED = 1.0  # second in which all that serve answer
LOG = "log"
APART = 0.01  # seconds between probes
BROKEN = """
with open("{place}/attempts", "a") as attempts:
    attempts.write(".")
raise RuntimeError("a broken deploy")
"""


def under_load(contender: Contender, effort: Effort) -> Outcome:
    dice, kills = random.Random(1), list[float]()
    with TemporaryDirectory() as home, started(contender, Path(home)) as trial:
        plan = Plan(
            port=trial.port,
            per_request=CLIENTS,
            keep_alive=CLIENTS,
            posting=CLIENTS,
            timeout=TIMEOUT,
            most_failures=10**6,
            seconds=(REPLACED + effort.apart) * effort.kills,
        )
        with Load(plan) as load:
            for _ in pacing.beats(effort.apart, effort.apart * effort.kills):
                kills += kill_one(trial, dice)
            pacing.hold(effort.apart)
            cost = toll(load.report(), kills, Path(home) / LOG)
        became = [f"**exited** with {trial.exit_code}"] if trial.exit_code is not None else []
    if len(kills) < effort.kills:
        became.append(f"after {len(kills)} of {effort.kills} kills")
    return Outcome(cost.told(", ".join(became)), cost.is_kept and not became)


def with_broken_code(contender: Contender, effort: Effort) -> Outcome:
    with TemporaryDirectory() as home, started(contender, Path(home)) as trial:
        place = Path(home)
        plan = Plan(port=trial.port, apart=APART, timeout=TIMEOUT, most_failures=10**6)
        with Load(plan) as load:
            Deploys(place).write("2", at_import=BROKEN.format(place=place))
            kills = kill_one(trial, random.Random(1))
            pacing.hold(effort.broken)
            serving = len(trial.gathered(WORKERS, SETTLED))
            found = load.report()
        attempts = place / "attempts"
        tries = attempts.stat().st_size if attempts.exists() else 0
        cost = toll(found, kills, place / LOG)
        became = end(judged(found, trial.exit_code, None, []))
    if serving:
        became += f", {serving} of {WORKERS} workers"
    if tries:
        became += f", failed starts {tries}"
    return Outcome(cost.told(became), cost.is_kept and serving == WORKERS)


@contextmanager
def started(contender: Contender, home: Path) -> Iterator[Trial]:
    """Serve sound code from *home*, with the log there, too."""
    Deploys(home)
    server = contender.serve(deployed(home), WORKERS, *contender.exits)
    with Trial(server, log=home / LOG) as trial:
        trial.until_serving(WORKERS)
        yield trial


ROWS = (
    Row(
        title="one worker dies while the code on disk is broken",
        done="The application's file is replaced by one that raises at import, nobody asks for a "
        "reload, and one of the workers is killed.",
        counted="Requests that were not answered, of one each 10 ms, and what the service is at "
        "the end; *failed starts* are imports of the broken code, *taken* and *stray* as below.",
        promise="none but on connections that the worker had taken, old code, 2 of 2 workers",
        run=with_broken_code,
    ),
    Row(
        title="kill -9 of a worker under load",
        done="A worker is killed, at least 2 s after the one before and when that is replaced, "
        "while clients ask on a connection per request, on kept ones, and by POST.",
        counted="Requests that were not answered, of all; *taken* is how many connections the "
        "killed workers held, by prefork's log; *stray* are failures that came later than a "
        "second after a kill, or on no connection that anybody had taken.",
        promise="at most what was taken, none stray",
        run=under_load,
        among=EVERYONE,
    ),
)
