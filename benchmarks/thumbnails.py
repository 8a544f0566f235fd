"""Whether `/` is answered as ever while the pool makes thumbnails at full tilt.

python -m benchmarks.thumbnails [ROUNDS]

It fails where it is not.
"""

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import photos, report
from benchmarks.footprint import Footprint, megabytes
from benchmarks.load import wrk
from benchmarks.ratios import spread
from tests.support.pacing import hold
from tests.support.program import Program, Stats
from tests.support.pulse import Pulse, Times, p

ROUNDS = 3
WORKERS, PROCESSES = 2, 2
MARGIN = 10.0  # ms that p99 of `/` may have more than at rest
GROWTH = 1.1  # as a share of the memory before
WAYS = {"in the pool": photos.POOL, "on the event loop": photos.LOOP}


@dataclass(frozen=True, slots=True)
class Effort:
    rest: int  # seconds
    warm: int
    load: int
    size: tuple[int, int] = photos.SCREEN
    clients: int = photos.CLIENTS


FULL = Effort(rest=10, warm=5, load=20)
METHOD = f"""\
`examples/thumbnails.py` on {WORKERS} workers with a pool of {PROCESSES}, everything else at its
default. {photos.CLIENTS} clients (`wrk`) post a photograph of {FULL.size[0]} x {FULL.size[1]}
pixels for {FULL.load} s, each again as soon as it has its thumbnail; the pool makes these, or, on
the other path of the example, the handler itself. Meanwhile another process asks for `/` each
10 ms, now on a connection that it keeps, now on a new one: its times are those of both. *At rest*
is the same for {FULL.rest} s before. Memory is the PSS of the whole process tree: at rest after
{FULL.warm} s of the load, at most (looked at each half second), and at rest again. Each round
serves both ways once, in turn; figures are medians of the rounds, failures their sums. Clients and
server share the machine's cores."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Of `/`."""

    count: int
    failed: int
    p50: float  # ms
    p99: float


@dataclass(frozen=True, slots=True)
class Life:
    rest: Calls
    strained: Calls
    rate: float  # thumbnails a second
    failed: int  # of the posts
    before: float  # MB
    peak: float
    after: float


def calls(times: Times) -> Calls:
    every = times.kept + times.new
    p50, p99 = (p(every, 0.5), p(every)) if every else (math.inf, math.inf)
    return Calls(len(every), len(times.failed), p50, p99)


def is_idle(stats: Stats) -> bool:
    return not any(worker["in_flight"] for worker in stats["workers"])


def live(path: str, effort: Effort) -> Life:
    options = ("--workers", str(WORKERS), "--pool", str(PROCESSES))
    with TemporaryDirectory() as place:
        program = Program(photos.APP, *options, home=Path(place))
        try:
            program.wait_ready()
            return strain(program, path, effort)
        finally:
            program.close()


def strain(program: Program, path: str, effort: Effort) -> Life:
    load = replace(photos.load(path, program.home, effort.size), clients=effort.clients)
    wrk(program.port, load, seconds=effort.warm, core=None)
    before = rested(program)
    with Pulse(program.port) as rest:
        hold(effort.rest)
    with Pulse(program.port) as strained, Footprint(program.pid) as footprint:
        seen = wrk(program.port, load, seconds=effort.load, core=None)
    return Life(
        calls(rest.times[0]),
        calls(strained.times[0]),
        seen.rate,
        seen.failed,
        before,
        footprint.peak,
        rested(program),
    )


def rested(program: Program) -> float:
    program.settled(is_idle, timeout=photos.PATIENCE)
    return megabytes(program.pid)


def measure(rounds: int, effort: Effort = FULL) -> dict[str, list[Life]]:
    lives: dict[str, list[Life]] = {way: [] for way in WAYS}
    for number in range(rounds):
        for way, path in WAYS.items():
            lives[way].append(live(path, effort))
            print(f"{number + 1}/{rounds} {way}: {lives[way][-1]}", file=sys.stderr, flush=True)
    return lives


def middle(values: Iterator[float]) -> float:
    return spread(list(values)).middle


def row(way: str, lives: Sequence[Life]) -> list[str]:
    times = [
        f"{middle(c.p50 for c in each):.1f} / {middle(c.p99 for c in each):.1f}"
        for each in ([life.rest for life in lives], [life.strained for life in lives])
    ]
    memory = " / ".join(
        f"{middle(getattr(life, name) for life in lives):.0f}"
        for name in ("before", "peak", "after")
    )
    unanswered = sum(life.rest.failed + life.strained.failed for life in lives)
    rate, failed = middle(life.rate for life in lives), sum(life.failed for life in lives)
    return [way, *times, str(unanswered), f"{rate:.1f}", str(failed), memory]


def tables(lives: dict[str, list[Life]]) -> list[report.Table]:
    heads = [
        "the work is done",
        "`/` at rest, p50 / p99 ms",
        "meanwhile, p50 / p99 ms",
        "`/` failed",
        "thumbnails/s",
        "failed",
        "MB before / at most / after",
    ]
    rows = [row(way, each) for way, each in lives.items()]
    return [report.Table("## `/`, beside thumbnails", heads, rows)]


def missed(lives: Sequence[Life]) -> Iterator[str]:
    """Say where the pool is not as it promises."""
    more = middle(life.strained.p99 - life.rest.p99 for life in lives)
    if more >= MARGIN:
        yield f"p99 of / is {more:.1f} ms more than at rest, and not less than {MARGIN:.0f}"
    if failed := sum(life.failed + life.rest.failed + life.strained.failed for life in lives):
        yield f"{failed} requests failed"
    grown = middle(life.after / life.before for life in lives)
    if grown > GROWTH:
        yield f"memory is {grown:.2f} times what it was, and not at most {GROWTH}"


def main(arguments: Sequence[str]) -> int:
    lives = measure(int(arguments[0]) if arguments else ROUNDS)
    raw = {way: [asdict(life) for life in each] for way, each in lives.items()}
    report.write("thumbnails", "Answers beside CPU-bound work", METHOD, tables(lives), raw)
    broken = list(missed(lives["in the pool"]))
    print(*broken, sep="\n", end="\n" if broken else "", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
