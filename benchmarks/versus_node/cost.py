"""What a connection costs when the primary accepts it and hands it on."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.load import Load, wrk
from benchmarks.ratios import ratio
from benchmarks.servers import Server
from benchmarks.trial import Trial
from benchmarks.versus.contenders import Contender
from benchmarks.versus.row import WORKERS, Effort, Outcome, Row
from benchmarks.versus_node.contenders import BOTH, SCRIPT

POLICIES = ("rr", "shared")
LOAD = Load("/pid", {"Connection": "close"})
PROMISE = 1.25  # 1.1 on a machine that does nothing else
SERVER_CORE, LOAD_CORE = 0, 1  # so that a connection wakes nobody up who waits elsewhere
WARM = 1  # second of load before anything is counted


def run(contender: Contender, effort: Effort) -> Outcome:
    with TemporaryDirectory() as home, ExitStack() as opened:
        trials = [
            opened.enter_context(
                Trial(server(contender, policy), core=SERVER_CORE, log=Path(home) / policy)
            )
            for policy in POLICIES
        ]
        for trial in trials:
            trial.until_serving(WORKERS)
            wrk(trial.port, LOAD, seconds=WARM, core=LOAD_CORE)
        handed, shared = zip(*rounds(trials, effort.rounds), strict=True)
    found = ratio(handed, shared)
    facts = {"rr": handed, "shared": shared}
    return Outcome(f"{found}", found.middle <= PROMISE, facts)


def server(contender: Contender, policy: str) -> Server:
    return contender.serve(SCRIPT, WORKERS, "--policy", policy)


def rounds(trials: list[Trial], count: int) -> Iterator[list[float]]:
    """Give what a connection to each costs, in turn, round by round."""
    for _ in range(count):
        yield [cost(trial) for trial in trials]


def cost(trial: Trial) -> float:
    """Return the processor time of a connection in microseconds, all processes together."""
    before = trial.cpu_seconds()
    count = wrk(trial.port, LOAD, seconds=1, core=LOAD_CORE).count
    return (trial.cpu_seconds() - before) / count * 1e6


ROWS = (
    Row(
        title="`rr` : `shared`, a connection per request",
        done="`wrk` asks on a connection per request, for a second, now the script with policy "
        "`rr`, now with `shared` (Node: `SCHED_RR`, `SCHED_NONE`). All processes of the script are "
        "on one core, and `wrk` on another.",
        counted="The ratio of what a connection costs of processor time, all processes together, "
        "as median of the rounds with quartiles.",
        promise=f"{PROMISE} at most",
        run=run,
        among=BOTH,
    ),
)
