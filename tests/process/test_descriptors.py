"""What the processes hold and cost at rest: nothing that grows, nothing of their siblings'."""

import os
import signal
from itertools import combinations

import pytest
from tests.process.conftest import Serve
from tests.support import pacing, processes
from tests.support.program import Program, Stats, serving


def replace(program: Program, slot: int) -> None:
    """Kill the worker of *slot*, and wait until its successor serves."""
    victim = program.workers(4)[slot]
    os.kill(victim, signal.SIGKILL)
    program.settled(lambda stats: len(found := serving(stats)) == 4 and victim not in found)


def census(program: Program, stats: Stats) -> dict[str, int]:
    """Count the descriptors of every process, by what the process is."""
    counts = {"primary": len(processes.descriptors(program.pid))}
    for role in ("workers", "templates"):
        for number, entry in enumerate(stats[role]):
            counts[f"{role}[{number}]"] = len(processes.descriptors(entry["pid"]))
    return counts


def sockets(pid: int) -> set[str]:
    held = processes.descriptors(pid).values()
    return {name for name in held if name.startswith("socket:")}


@pytest.mark.parametrize("replacements", [8, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("policy", "preload"), [("rr", "on"), ("shared", "off")])
def test_replacements_leave_no_descriptor_in_any_process(
    serve: Serve, replacements: int, policy: str, preload: str
) -> None:
    program = serve("--workers", "4", "--policy", policy, "--preload", preload)
    before = census(program, program.stats())
    for number in range(replacements):
        replace(program, number % 4)
    # Not at once: the primary closes its end of our last question after we have read the answer.
    program.settled(lambda stats: census(program, stats) == before)


def test_no_worker_holds_an_end_of_its_siblings_channels(serve: Serve) -> None:
    program = serve("--workers", "4", "--policy", "rr")
    for _ in range(4):
        replace(program, 0)  # each successor is forked beside the others
    for one, other in combinations(program.workers(4), 2):
        assert sockets(one) & sockets(other) == set()
    for worker in program.workers(4):
        # Its own hand-over's receiving end alone, which the primary keeps for the take-back.
        assert len(sockets(worker) & sockets(program.pid)) <= 1


@pytest.mark.parametrize("seconds", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_a_primary_with_32_idle_workers_uses_less_than_1_percent_of_a_core(
    serve: Serve, seconds: int
) -> None:
    program = serve("--workers", "32")
    pacing.hold(1)  # let the start settle
    before = processes.cpu_seconds(program.pid)
    pacing.hold(seconds)
    assert (processes.cpu_seconds(program.pid) - before) / seconds < 0.01
