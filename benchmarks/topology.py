"""Workers, a pool, or both: what each gives of thumbnails and of small JSON.

python -m benchmarks.topology [ROUNDS]
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import bars, photos, report
from benchmarks.bars import Group
from benchmarks.footprint import Footprint
from benchmarks.load import Load, Seen, wrk
from benchmarks.ratios import Spread, ratio, spread
from tests.support.program import Program

ROUNDS = 2
CORES = len(os.sched_getaffinity(0))
PICTURE = report.RESULTS / "topology.svg"
JSON = Load("/json", clients=photos.CLIENTS)


@dataclass(frozen=True, slots=True)
class Topology:
    workers: int
    pool: int

    @property
    def name(self) -> str:
        workers = "one worker" if self.workers == 1 else f"{self.workers} workers"
        return f"{workers} + pool of {self.pool}" if self.pool else workers

    @property
    def path(self) -> str:
        return photos.POOL if self.pool else photos.LOOP


TOPOLOGIES = (
    Topology(1, 0),
    Topology(max(2, CORES), 0),
    Topology(1, CORES),
    Topology(2, CORES),
)


@dataclass(frozen=True, slots=True)
class Effort:
    json: int  # seconds
    load: int
    size: tuple[int, int] = photos.CAMERA


FULL = Effort(json=5, load=20)
METHOD = f"""\
One application, `examples/thumbnails.py` with a path beside that answers 80 bytes of JSON, served
by prefork on {CORES} cores; everything but `--workers` and `--pool` is at its default. Without a
pool the handler makes the thumbnails itself. {photos.CLIENTS} clients (`wrk`) ask for the JSON for
{FULL.json} s, and then post a photograph of {FULL.size[0]} x {FULL.size[1]} pixels for
{FULL.load} s, each again as soon as it is answered. *p99* is of what was answered in that time.
Memory is the PSS of the whole process tree, at most, while photographs come (looked at each half
second). A request has failed that was not answered by a success, within {photos.PATIENCE} s of a
photograph. Each round serves every topology once, in turn; figures are medians of {ROUNDS} rounds,
failures their sums. The clients share the cores with the server.

![what each topology gives, of what one worker gives](topology.svg)"""


@dataclass(frozen=True, slots=True)
class Life:
    thumbnails: Seen
    memory: float  # MB, at most
    json: Seen


Lives = dict[str, list[Life]]  # by topology


def live(topology: Topology, effort: Effort) -> Life:
    pool = ("--pool", str(topology.pool)) if topology.pool else ()
    options = ("--workers", str(topology.workers), *pool)
    with TemporaryDirectory() as place:
        program = Program(photos.APP, *options, home=Path(place))
        try:
            program.wait_ready()
            wrk(program.port, JSON, seconds=1, core=None)
            small = wrk(program.port, JSON, seconds=effort.json, core=None)
            load = photos.load(topology.path, program.home, effort.size)
            with Footprint(program.pid) as footprint:
                large = wrk(program.port, load, seconds=effort.load, core=None)
            return Life(large, footprint.peak, small)
        finally:
            program.close()


def measure(rounds: int, effort: Effort = FULL) -> Lives:
    lives: Lives = {topology.name: [] for topology in TOPOLOGIES}
    for number in range(rounds):
        for topology in TOPOLOGIES:
            life = live(topology, effort)
            lives[topology.name].append(life)
            print(f"{number + 1}/{rounds} {topology.name}: {life}", file=sys.stderr, flush=True)
    return lives


def middle(values: Iterator[float]) -> float:
    return spread(list(values)).middle


def served(seen: Sequence[Seen], digits: int) -> list[str]:
    rate, p99 = middle(each.rate for each in seen), middle(each.p99 for each in seen)
    return [f"{rate:.{digits}f}", f"{p99:.{3 - digits}f}", str(sum(each.failed for each in seen))]


def table(lives: Lives) -> report.Table:
    heads = ["", "thumbnails/s", "p99 s", "failed", "memory, MB", "JSON/s", "p99 s", "failed"]
    rows = [
        [
            name,
            *served([life.thumbnails for life in each], 1),
            f"{middle(life.memory for life in each):.0f}",
            *served([life.json for life in each], 0),
        ]
        for name, each in lives.items()
    ]
    return report.Table("## Thumbnails of large photographs, and small JSON", heads, rows)


def picture(lives: Lives) -> str:
    """Return each topology's share of what the first gives."""
    kinds = {
        "thumbnails of large photographs, a second": lambda life: life.thumbnails.rate,
        "small JSON, a second": lambda life: life.json.rate,
        "memory": lambda life: life.memory,
    }
    return bars.draw([Group(name, shares(lives, kind)) for name, kind in kinds.items()])


def shares(lives: Lives, kind: Callable[[Life], float]) -> dict[str, Spread]:
    first = [kind(life) for life in next(iter(lives.values()))]
    return {name: ratio([kind(life) for life in each], first) for name, each in lives.items()}


def main(arguments: Sequence[str]) -> None:
    lives = measure(int(arguments[0]) if arguments else ROUNDS)
    raw = {name: [asdict(life) for life in each] for name, each in lives.items()}
    report.write("topology", "Workers, a pool, or both", METHOD, [table(lives)], raw)
    PICTURE.write_text(picture(lives))


if __name__ == "__main__":
    main(sys.argv[1:])
