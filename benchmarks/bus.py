"""How many messages the hub delivers, what they cost, and whether its memory grows.

python -m benchmarks.bus [SECONDS]
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import beside, report
from benchmarks.bus_crew import HEARERS, WORKERS, Crew, crew
from tests.support import processes
from tests.support.pacing import hold
from tests.support.program import Program

SECONDS = 20.0
RATES = (2_500, 13_000)  # published a second; four times as many are delivered
MEGABYTE = 1 << 20
TARGET = 50_000  # deliveries a second
METHOD = f"""\
One of {WORKERS} workers publishes small messages (60 bytes) at a rate, each acknowledged; the four
others count what they hear, and are asked until they have heard all. *delivered/s* is all that was
heard over the time from the first publish until then. Processor time is the kernel's account, over
what was delivered: of the hub, of the primary, which never sees a message, and of all processes
together, with publishing and hearing; from that follows how many cores 50,000 deliveries a second
take, whatever else the machine did. Memory is what the hub has of its own, after a quarter of the
run and at its end. A busy machine lowers the rate that is reached, not what a delivery costs."""


@dataclass(frozen=True, slots=True)
class Run:
    rate: int  # wanted
    published: int
    delivered: int
    seconds: float
    hub: float  # µs of its processor time for a delivery
    primary: float
    everything: float
    before: int  # bytes of the hub's memory
    after: int


def measure(program: Program, workers: Crew, rate: int, seconds: float) -> Run:
    """Publish at this rate by one worker, and wait until the others have heard all."""
    hub = program.stats()["hubs"][0]["pid"]
    groups = ([hub], [program.pid], [program.pid, *program.tree()])
    heard = workers.heard()
    used = [sum(map(processes.cpu_seconds, pids)) for pids in groups]
    begin = time.monotonic()
    with workers.publishing(rate, seconds) as done:
        hold(seconds / 4)
        before = processes.own_rss(hub)
        published = done.result()
    delivered = workers.until_heard(heard + published * HEARERS) - heard
    took = time.monotonic() - begin
    now = [sum(map(processes.cpu_seconds, pids)) for pids in groups]
    costs = [(after - at) / delivered * 1e6 for at, after in zip(used, now, strict=True)]
    return Run(
        rate=rate,
        published=published,
        delivered=delivered,
        seconds=took,
        hub=costs[0],
        primary=costs[1],
        everything=costs[2],
        before=before,
        after=processes.own_rss(hub),
    )


def row(run: Run) -> list[str]:
    lost = run.published * HEARERS - run.delivered
    memory = [f"{each / MEGABYTE:.1f}" for each in (run.before, run.after)]
    costs = [f"{run.hub:.2f}", f"{run.primary:.3f}", f"{run.everything:.2f}", f"{cores(run):.2f}"]
    rates = [f"{run.published / run.seconds:.0f}", f"{run.delivered / run.seconds:.0f}"]
    return [*rates, str(lost), *costs, *memory]


def cores(run: Run) -> float:
    """Return how many cores TARGET takes at this cost."""
    return run.everything * TARGET / 1e6


def main(arguments: Sequence[str]) -> None:
    seconds = float(arguments[0]) if arguments else SECONDS
    with tempfile.TemporaryDirectory() as place:
        options = ("--workers", str(WORKERS), "--policy", "rr")
        program = Program("benchmarks.bus_app:app", *options, home=Path(place))
        try:
            program.wait_ready()
            with crew(program) as workers:
                runs = [measure(program, workers, rate, seconds) for rate in RATES]
                shared = beside.rounds(program, workers, RATES[-1], cores(runs[-1]))
        finally:
            program.close()
    heads = [
        "published/s",
        "delivered/s",
        "lost",
        "hub, µs",
        "primary, µs",
        "all, µs",
        "cores for 50,000/s",
        "MB before",
        "MB after",
    ]
    tables = [report.Table("## The hub", heads, [row(run) for run in runs]), beside.table(shared)]
    raw = {"hub": [asdict(run) for run in runs], "beside": beside.raw(shared)}
    report.write("bus", "What the bus carries", METHOD + beside.METHOD, tables, raw)


if __name__ == "__main__":
    main(sys.argv[1:])
