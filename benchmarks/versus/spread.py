"""How connections that come one by one are spread over the workers."""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.trial import Trial
from benchmarks.versus.contenders import EVERYONE, Contender, deployed
from benchmarks.versus.row import Effort, Outcome, Row
from tests.support.asking import ask
from tests.support.deploys import Deploys

WORKERS = 4


def run(contender: Contender, effort: Effort) -> Outcome:
    with TemporaryDirectory() as home:
        Deploys(Path(home))
        server = contender.serve(deployed(Path(home)), WORKERS)
        with Trial(server, log=Path(home) / "log") as trial:
            trial.until_serving(WORKERS)
            served = Counter(ask(trial.port, "/pid").pid for _ in range(effort.arrivals))
    shares = [served[pid] for pid, _ in served.most_common()] + [0] * (WORKERS - len(served))
    return Outcome("/".join(map(str, shares)), shares == [effort.arrivals / WORKERS] * WORKERS)


ROWS = (
    Row(
        title="400 connections one by one over 4 workers",
        done="A client connects, asks, and closes, 400 times, each after the other.",
        counted="How many each worker got.",
        promise="100/100/100/100",
        run=run,
        among=EVERYONE,
    ),
)
