"""Messages between workers and the primary: how long they take, and what a bad worker costs.

python -m benchmarks.messages [ROUNDS]
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import report
from benchmarks.ratios import ratio, spread
from benchmarks.servers import HERE
from tests.support.memory import Growth
from tests.support.orders import APP, ENTRY, Trips, order, result, trips
from tests.support.program import Program

ROUNDS = 7
MB = 1_000_000
FLOOD = 100 * MB
METHOD = """\
Each round trip is a worker's request to the primary and its answer, one after another, of two
workers at rest. Node's figures are those of `cluster` with `serialization: "advanced"`, which takes
bytes as ours does (`benchmarks/messages.js`). The primary of prefork is that of
`tests/support/talkative.py`. In each round everything is measured once, in turn; figures are the
median of the rounds' medians (or of their 99th percentiles), with quartiles. No core is pinned."""


@dataclass(frozen=True, slots=True)
class Question:
    name: str
    count: int
    size: int  # bytes; 0: the text "ping"
    fds: int = 0


QUESTIONS = (
    Question("a word", 3000, 0),
    Question("1 KB", 3000, 1000),
    Question("64 KB", 1000, 64_000),
    Question("800 KB with a descriptor", 200, 800_000, fds=1),
)


@dataclass(frozen=True, slots=True)
class Round:
    ours: dict[str, Trips]  # by question
    node: dict[str, Trips]
    alone: float  # seconds; p50 of a worker while the other does nothing
    beside: float  # the same while the other reads nothing, and is sent 20,000 messages
    held: int  # bytes by which the primary grew for that
    rates: dict[str, float]  # by kind of flood: messages per second
    growths: dict[str, tuple[int, int]]  # of primary and worker, bytes


@contextmanager
def program() -> Iterator[Program]:
    with tempfile.TemporaryDirectory() as folder:
        running = Program(APP, "--workers", "2", home=Path(folder), entry=ENTRY)
        try:
            running.wait_ready()
            yield running
        finally:
            running.close()


def node(question: Question) -> Trips:
    command = ["node", str(HERE / "messages.js"), str(question.count), str(question.size)]
    told = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return Trips(told["50"], told["99"])


def flood(running: Program, *, waits: bool) -> tuple[float, tuple[int, int]]:
    """Give messages per second that the primary took, and by how much it and the worker grew."""
    worker = running.workers(2)[1]

    def begin(size: int) -> Callable[[], None]:
        return lambda: order(running, 1, "flood", bytes=size, waits=int(waits))

    before = result(running, "flooded", begin(MB))
    with Growth(running.pid) as primary, Growth(worker) as flooding:
        start = time.monotonic()
        after = result(running, "flooded", begin(FLOOD))
        seconds = time.monotonic() - start
    return (after - before) / seconds, (primary.peak, flooding.peak)


def stuck(running: Program) -> tuple[float, float, int]:
    alone = trips(running, 0, 3000).p50
    order(running, 1, "wedge")
    running.journal.wait_for_line("app: wedged")
    with Growth(running.pid) as growth:
        order(running, 1, "report", times=20_000)
        beside = trips(running, 0, 3000).p50
    return alone, beside, growth.peak


def measure() -> Round:
    with program() as running:
        ours = {each.name: trips(running, 0, each.count, each.size, each.fds) for each in QUESTIONS}
        theirs = {each.name: node(each) for each in QUESTIONS}
        rates, growths = {}, {}
        for name, waits in (("drain() when told to wait", True), ("no waiting", False)):
            rates[name], growths[name] = flood(running, waits=waits)
        return Round(ours, theirs, *stuck(running), rates, growths)


def micro(values: Sequence[float]) -> str:
    found = spread([1e6 * value for value in values])
    return f"{found.middle:.0f} ({found.low:.0f} to {found.high:.0f})"


def tables(rounds: Sequence[Round]) -> list[report.Table]:
    trip_rows = []
    for name in (each.name for each in QUESTIONS):
        ours, theirs = [each.ours[name] for each in rounds], [each.node[name] for each in rounds]
        cells = [micro([each.p50 for each in ours]), micro([each.p99 for each in ours])]
        cells += [micro([each.p50 for each in theirs]), micro([each.p99 for each in theirs])]
        share = str(ratio([each.p50 for each in ours], [each.p50 for each in theirs]))
        trip_rows.append([name, *cells, share])
    stuck_row = [
        micro([each.alone for each in rounds]),
        micro([each.beside for each in rounds]),
        str(ratio([each.beside for each in rounds], [each.alone for each in rounds])),
        f"{max(each.held for each in rounds) / MB:.1f} MB",
    ]
    flood_rows = []
    for name in rounds[0].rates:
        grown = [max(each.growths[name][who] for each in rounds) / MB for who in (0, 1)]
        rate = spread([each.rates[name] for each in rounds]).middle
        flood_rows.append([name, f"{rate:.0f}", *(f"{each:.1f} MB" for each in grown)])
    trip_head = ["request", "p50 µs", "p99 µs", "Node p50 µs", "Node p99 µs", "p50, of Node's"]
    stuck_head = ["p50 µs before", "p50 µs beside it", "ratio", "primary grew, at most"]
    flood_head = ["the worker's way", "messages/s heard", "primary grew", "worker grew"]
    return [
        report.Table("## Round trips: worker → primary → worker", trip_head, trip_rows),
        report.Table(
            "## Beside a worker that hangs, and is sent 20,000 messages", stuck_head, [stuck_row]
        ),
        report.Table(
            "## A worker sends 100,000 messages of 1 KB as fast as it can", flood_head, flood_rows
        ),
    ]


def main(arguments: Sequence[str]) -> None:
    rounds = []
    for number in range(int(arguments[0]) if arguments else ROUNDS):
        rounds.append(measure())
        print(f"{number + 1}: {rounds[-1]}", file=sys.stderr)
    raw = [asdict(each) for each in rounds]
    load = (
        f"Other work had its share of the machine: its load average was {os.getloadavg()[0]:.0f}."
    )
    report.write(
        "messages",
        "Messages between workers and the primary",
        f"{METHOD} {load}",
        tables(rounds),
        raw,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
