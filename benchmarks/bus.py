"""How many messages the hub delivers, what they cost, and whether its memory grows.

python -m benchmarks.bus [SECONDS]
"""

import http.client
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import report
from tests.support import processes
from tests.support.pacing import beats, hold
from tests.support.program import Program

SECONDS = 20.0
WORKERS = 5  # one publishes, and four hear
RATES = (2_500, 12_500)  # published a second; four times as many are delivered
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


def asked(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=300)


def answer(connection: http.client.HTTPConnection, path: str) -> Any:
    connection.request("GET", path)
    return json.loads(connection.getresponse().read())


def measure(program: Program, rate: int, seconds: float) -> Run:
    """Publish at this rate by one worker, and wait until the others have heard all."""
    with ExitStack() as opened, ThreadPoolExecutor(1) as beside:
        publisher, *hearers = [
            opened.enter_context(closing(asked(program.port))) for _ in range(WORKERS)
        ]
        counts = [
            int(answer(each, "/heard")) for each in (publisher, *hearers)
        ]  # one at each worker
        hub = program.stats()["hubs"][0]["pid"]
        groups = ([hub], [program.pid], [program.pid, *program.tree()])
        used = [sum(map(processes.cpu_seconds, pids)) for pids in groups]
        begin = time.monotonic()
        publishing = beside.submit(answer, publisher, f"/publish/{rate}/{seconds}")
        hold(seconds / 4)
        before = processes.own_rss(hub)
        published = int(publishing.result())
        for _ in beats(0.05, 60):
            delivered = sum(int(answer(each, "/heard")) for each in hearers) - sum(counts[1:])
            if delivered >= published * len(hearers):
                break
        took = time.monotonic() - begin
        now = [sum(map(processes.cpu_seconds, pids)) for pids in groups]
        costs = [(after - at) / delivered * 1e6 for at, after in zip(used, now, strict=True)]
        return Run(rate, published, delivered, took, *costs, before, processes.own_rss(hub))


def row(run: Run) -> list[str]:
    lost = run.published * (WORKERS - 1) - run.delivered
    memory = [f"{each / MEGABYTE:.1f}" for each in (run.before, run.after)]
    cores = run.everything * TARGET / 1e6
    costs = [f"{run.hub:.2f}", f"{run.primary:.3f}", f"{run.everything:.2f}", f"{cores:.2f}"]
    rates = [f"{run.published / run.seconds:.0f}", f"{run.delivered / run.seconds:.0f}"]
    return [*rates, str(lost), *costs, *memory]


def main(arguments: Sequence[str]) -> None:
    seconds = float(arguments[0]) if arguments else SECONDS
    with tempfile.TemporaryDirectory() as place:
        options = ("--workers", str(WORKERS))
        program = Program("benchmarks.bus_app:app", *options, home=Path(place))
        try:
            program.wait_ready()
            runs = [measure(program, rate, seconds) for rate in RATES]
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
    tables = [report.Table("## The hub", heads, [row(run) for run in runs])]
    report.write("bus", "What the bus carries", METHOD, tables, [asdict(run) for run in runs])


if __name__ == "__main__":
    main(sys.argv[1:])
