"""What the processes hold and cost at rest: nothing that grows, nothing of their siblings'."""

import os
import signal
from itertools import combinations

import pytest
from tests.process.conftest import Serve
from tests.support import pacing, processes
from tests.support.program import Program, Stats


def replace(program: Program, victim: int) -> None:
    """Kill a worker, and wait until its successor serves."""

    def replaced(stats: Stats) -> bool:
        states = {worker["pid"]: worker["state"] for worker in stats["workers"]}
        return victim not in states and list(states.values()) == ["serving"] * len(states)

    os.kill(victim, signal.SIGKILL)
    program.settled(replaced)


def census(program: Program) -> dict[str, int]:
    """Count the descriptors of every process, by what the process is."""
    stats = program.stats()
    counts = {"primary": len(processes.descriptors(program.pid))}
    for role in ("workers", "templates"):
        for number, entry in enumerate(stats[role]):
            counts[f"{role}[{number}]"] = len(processes.descriptors(entry["pid"]))
    return counts


def sockets(pid: int) -> set[str]:
    held = processes.descriptors(pid).values()
    return {name for name in held if name.startswith("socket:")}


@pytest.mark.parametrize("preload", ["on", "off"])
@pytest.mark.parametrize("policy", ["rr", "shared"])
@pytest.mark.parametrize("replacements", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_replacements_leave_no_descriptor_in_any_process(
    serve: Serve, replacements: int, policy: str, preload: str
) -> None:
    program = serve("--workers", "4", "--policy", policy, "--preload", preload)
    before = census(program)
    for number in range(replacements):
        replace(program, program.workers(4)[number % 4])
    assert census(program) == before


def test_no_worker_holds_an_end_of_its_siblings_channels(serve: Serve) -> None:
    program = serve("--workers", "4", "--policy", "rr")
    for _ in range(4):
        replace(program, program.workers(4)[0])  # each successor is forked beside the others
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
