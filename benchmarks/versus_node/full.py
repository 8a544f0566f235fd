"""Connections that no worker can take at the moment: what becomes of them meanwhile."""

from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.trial import Trial
from benchmarks.versus.contenders import Contender
from benchmarks.versus.row import WORKERS, Effort, Outcome, Row
from benchmarks.versus.told import await_word
from benchmarks.versus_node.contenders import BOTH, SCRIPT
from benchmarks.versus_node.crowd import Crowd
from tests.support import pacing, processes
from tests.support.asking import Caller

LIMIT = 1  # connection of each worker
ONE_TOO_MANY = 1  # connection: more only wait behind it
IDLE = 0.05  # of a core: what processes that have nothing to do may use, on a busy machine
AHEAD = 100  # connections: prefork gives 32 to each worker, and may have accepted as many more
SETTLED = 0.5  # seconds
FREED = 5.0  # seconds until a connection is taken when there is room again


def at_the_limit(contender: Contender, effort: Effort) -> Outcome:
    with TemporaryDirectory() as home, ExitStack() as opened:
        server = contender.serve(SCRIPT, WORKERS, "--limit", str(LIMIT))
        trial = opened.enter_context(Trial(server, log=Path(home) / "log"))
        trial.until_answered()
        kept = [opened.enter_context(closing(caller)) for caller in keeping(trial.port)]
        crowd = opened.enter_context(Crowd(trial.port))
        for _ in range(ONE_TOO_MANY):
            crowd.join()
        pacing.hold(SETTLED)
        share = usage(trial, effort.watched)
        kept[0].close()
        answered = crowd.answered(FREED)
    told = f"{share:.0%} of a core, {answered} of {ONE_TOO_MANY} answered in the end"
    return Outcome(told, share <= IDLE and answered == ONE_TOO_MANY, {"share": share})


def keeping(port: int) -> list[Caller]:
    """Occupy every worker: ask until each has answered a connection that is then kept."""
    kept: dict[int, Caller] = {}  # by the pid that answered
    for number, _ in enumerate(pacing.beats(0.05, 20)):
        caller = Caller(port, number)
        pid = caller.ask("/pid").pid
        kept[pid] = caller
        if len(kept) == WORKERS * LIMIT:
            return list(kept.values())
    raise TimeoutError(f"only {len(kept)} workers have answered")


def usage(trial: Trial, seconds: float) -> float:
    """Return what all its processes together use of a core."""
    before = trial.cpu_seconds()
    pacing.hold(seconds)
    return (trial.cpu_seconds() - before) / seconds


def all_blocked(contender: Contender, effort: Effort) -> Outcome:
    with TemporaryDirectory() as home, ExitStack() as opened:
        log = Path(home) / "log"
        trial = opened.enter_context(Trial(contender.serve(SCRIPT, WORKERS), log=log))
        trial.until_serving(WORKERS)
        for number in range(WORKERS):
            caller = opened.enter_context(closing(Caller(trial.port, number)))
            caller.send(f"/wedge?seconds={effort.wedge}")
            await_word(log, "app: wedged", count=number + 1)
        before = connections(trial.pid)
        crowd = opened.enter_context(Crowd(trial.port))
        for _ in range(effort.arrivals):
            crowd.join()
        pacing.hold(SETTLED)
        held = connections(trial.pid) - before
    return Outcome(f"{held} of {effort.arrivals}", held <= AHEAD)


def connections(pid: int) -> int:
    return sum(kind.startswith("socket:") for kind in processes.descriptors(pid).values())


ROWS = (
    Row(
        title="every worker at its limit of connections",
        done="Each worker may have one connection, and has it; one client more connects. After a "
        "while a connection is closed.",
        counted="The processor time of all processes together meanwhile, and whether the client "
        "that waited was answered.",
        promise="0 %, answered",
        run=at_the_limit,
        among=BOTH,
    ),
    Row(
        title="every worker blocked",
        done="The event loop of every worker stands still, and 400 clients connect.",
        counted="How many of these connections the primary holds open, in memory and descriptors "
        "of its own; the kernel's queue, which has a limit and costs neither, holds the others.",
        promise=f"{AHEAD} at most",
        run=all_blocked,
        among=BOTH,
    ),
)
