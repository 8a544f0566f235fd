"""Connections that `rr` passes while the bus is full, and while another program takes as much."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from benchmarks.bus_crew import HEARERS, WORKERS, Crew
from benchmarks.load import Load, wrk
from benchmarks.ratios import ratio, spread
from benchmarks.report import Table
from benchmarks.servers import HERE
from tests.support import processes
from tests.support.program import ROOT, Program

ROUNDS = 7
SECONDS = 3  # of each load
PACED = Load("/heard", {"Connection": "close"}, HERE / "pace.lua", clients=300)
UNBOUND = Load("/heard", {"Connection": "close"})
MARGIN = 1.0  # seconds for which is published beyond these
NOTHING, BUS, OTHER = "nothing", "the bus", "another program"
METHOD = f"""

Then connections come to the same instance, whose policy is `rr`, one for each request. *Paced*:
for {SECONDS} s from {PACED.clients} clients that each wait 100 ms after they have connected.
*Unpaced*: for {SECONDS} s from {UNBOUND.clients} clients that never wait, which takes all the
processor time that there is. Meanwhile there is nothing else, or the bus at its higher rate, or
another program, which takes as much processor time as that rate does and has nothing to do with the
server. Each round has every state once; figures are medians of {ROUNDS} rounds, ratios were taken
round by round."""


@dataclass(frozen=True, slots=True)
class Served:
    """What was served in one state, in one round."""

    paced: float  # connections a second of a load that keeps its pace
    failed: int
    cost: float  # µs of the primary's processor time for each of these
    most: float  # connections a second of a load that never waits
    delivered: float = 0.0  # messages a second, meanwhile


Round = dict[str, Served]  # by what there was beside


def serve(program: Program) -> Served:
    before = processes.cpu_seconds(program.pid)
    paced = wrk(program.port, PACED, seconds=SECONDS, core=None)
    cost = (processes.cpu_seconds(program.pid) - before) / paced.count * 1e6
    most = wrk(program.port, UNBOUND, seconds=SECONDS, core=None)
    return Served(paced.rate, paced.failed + most.failed, cost, most.rate)


@contextmanager
def burning(cores: float, count: int) -> Iterator[None]:
    """Have *count* processes take so many cores together."""
    command = [sys.executable, "-m", "benchmarks.burner", str(cores / count)]
    with ExitStack() as opened:
        for _ in range(count):
            burner = opened.enter_context(subprocess.Popen(command, cwd=ROOT))
            opened.callback(burner.kill)
        yield


def loaded(program: Program, crew: Crew, rate: int) -> Served:
    """Serve while so many messages a second are published."""
    heard, begin = crew.heard(), time.monotonic()
    with crew.publishing(rate, 2 * SECONDS + MARGIN) as done:
        served = serve(program)
        published = done.result()
    delivered = crew.until_heard(heard + published * HEARERS) - heard
    return replace(served, delivered=delivered / (time.monotonic() - begin))


def rounds(program: Program, crew: Crew, rate: int, cores: float) -> list[Round]:
    """Measure each state in turn; *cores*: what the bus takes at this rate."""
    found = []
    for _ in range(ROUNDS):
        alone, beside = serve(program), loaded(program, crew, rate)
        with burning(cores, WORKERS + 1):
            found.append({NOTHING: alone, BUS: beside, OTHER: serve(program)})
    return found


def table(found: list[Round]) -> Table:
    heads = [
        "beside",
        "paced/s",
        "unpaced/s",
        "of those alone",
        "failed",
        "primary, µs",
        "delivered/s",
    ]
    return Table("## Connections beside it", heads, [row(found, state) for state in found[0]])


def row(found: list[Round], state: str) -> list[str]:
    seen = [each[state] for each in found]
    alone = [each[NOTHING] for each in found]
    kept = ratio([each.most for each in seen], [each.most for each in alone])
    middles = [
        spread([getattr(each, name) for each in seen]).middle
        for name in ("paced", "most", "cost", "delivered")
    ]
    paced, most, cost, delivered = middles
    failed = sum(each.failed for each in seen)
    return [
        state,
        f"{paced:.0f}",
        f"{most:.0f}",
        str(kept),
        str(failed),
        f"{cost:.1f}",
        f"{delivered:.0f}",
    ]


def raw(found: list[Round]) -> list[Any]:
    return [{state: asdict(served) for state, served in each.items()} for each in found]
