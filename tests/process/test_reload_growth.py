"""Reload after reload: no process, no descriptor and no memory is left of the ones before."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.support import pacing, processes
from tests.support.asking import ask
from tests.support.deploys import APP, Deploys
from tests.support.load import Load
from tests.support.program import Program
from tests.support.reloads import deploys_below, reload
from tests.support.tidings import Plan

WORKERS = 2
WARMING = 2  # reloads, after which what is made once has been made
SLACK_OF_PRIMARY = 0.5e6  # bytes
SLACK_OF_ALL = 1.05  # times


@dataclass(frozen=True, slots=True)
class Census:
    """What there is of a program at rest. *descriptors*: how many, of each process by its role."""

    processes: int
    descriptors: dict[str, list[int]]
    primary: int  # bytes of its own memory
    tree: int  # likewise of all processes, shared pages counted once


def census(program: Program) -> Census:
    """Count, when every worker has served: the first connection costs it a descriptor."""
    program.settled(lambda s: len(s["workers"]) == WORKERS and len(s["templates"]) == 1)
    for _ in range(50):
        ask(program.port, "/pid")
    stats = program.settled(lambda s: all(map(has_served, s["workers"])))
    pacing.hold(0.2)  # the primary closes its end of our question after we have the answer
    pids = {role: [each["pid"] for each in stats[role]] for role in ("workers", "templates")}
    pids["primary"] = [program.pid]
    return Census(
        processes=len(program.tree()),
        descriptors={
            role: [len(processes.descriptors(pid)) for pid in each] for role, each in pids.items()
        },
        primary=processes.own_rss(program.pid),
        tree=sum(map(processes.own_pss, [program.pid, *program.tree()])),
    )


def has_served(worker: dict[str, int]) -> bool:
    """Whether it did, and has nothing open any more."""
    return bool(worker["requests"]) and not worker["connections"]


def renew(program: Program, deploys: Deploys, version: int) -> None:
    deploys.write(f"{version:03}")  # as long as all the others
    status = reload(program)
    assert status["state"] == "succeeded", status


@pytest.mark.parametrize(
    ("policy", "reloads"),
    [
        ("rr", 3),
        pytest.param("rr", 50, marks=pytest.mark.slow),
        pytest.param("reuseport", 50, marks=pytest.mark.slow),
    ],
)
def test_reloads_leave_nothing_behind(
    serve: Serve, tmp_path: Path, policy: str, reloads: int
) -> None:
    deploys = deploys_below(tmp_path)
    place = ("--app-dir", str(deploys.place), "--policy", policy)
    program = serve("--workers", str(WORKERS), *place, "--min-uptime", "0.1", app=APP)
    for version in range(WARMING):
        renew(program, deploys, version)
    before = census(program)
    with Load(
        Plan(port=program.port, per_request=2, keep_alive=2, pause=0.01, seconds=300)
    ) as load:
        for version in range(WARMING, WARMING + reloads):
            renew(program, deploys, version)
        report = load.report()
    after = census(program)
    print(f"{reloads} reloads under {policy}:\n  {before}\n  {after}")
    assert report.failures == []
    assert after.processes == before.processes == WORKERS + 1
    assert after.descriptors == before.descriptors
    assert after.primary <= before.primary + SLACK_OF_PRIMARY
    assert after.tree <= before.tree * SLACK_OF_ALL
