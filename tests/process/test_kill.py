"""What dies with a killed worker: only connections that it had taken."""

import os
import random
import signal
from collections.abc import Sequence
from contextlib import ExitStack, closing

import pytest
from tests.process.conftest import Serve
from tests.support import pacing, processes
from tests.support.asking import Caller
from tests.support.clients import Plan, Report
from tests.support.kills import Kill, blamed, kill
from tests.support.load import Load
from tests.support.policies import chiefly
from tests.support.program import Program
from tests.support.wire import Kind

ON_A_TAKEN_CONNECTION = {Kind.RESET, Kind.EOF, Kind.CUT}


def storm(program: Program, seconds: float) -> tuple[list[Kill], Report]:
    """Kill a random worker every 500 ms under load; return the kills and what clients saw."""
    dice = random.Random(4)
    with Load(Plan(port=program.port, per_request=16, keep_alive=8, posting=8)) as load:
        kills = [kill(dice.choice(program.workers(4))) for _ in pacing.beats(0.5, seconds)]
        program.workers(4)
        return kills, load.report()


def judge(program: Program, kills: Sequence[Kill], report: Report) -> None:
    print(f"{len(report.failures)} failed; the clients were late by {report.lag:.3f} s at most")
    for failure in report.failures:
        assert failure.kind in ON_A_TAKEN_CONNECTION, failure
        victims = blamed(failure.at, kills, report)
        assert victims, f"not soon after a death: {failure}, {kills}"
        # Who had taken a connection on which nothing was answered yet, no client can know.
        assert failure.pid in {0} | victims, f"not of the victim: {failure}"
    deaths = program.journal.wait_for("worker_exited", count=len(kills))
    assert [death["pid"] for death in deaths] == [each.pid for each in kills]
    assert len(report.failures) <= sum(death["connections"] for death in deaths)
    assert report.served > 100 * len(kills)  # the load was one


@pytest.mark.alone
@pytest.mark.parametrize("policy", chiefly("rr", "shared"))
def test_kills_under_load_cost_only_connections_of_the_victims(serve: Serve, policy: str) -> None:
    program = serve("--workers", "4", "--policy", policy)
    judge(program, *storm(program, seconds=3))


@pytest.mark.slow
@pytest.mark.parametrize("preload", ["on", "off"])
def test_30_seconds_of_kills_cost_only_connections_of_the_victims(
    serve: Serve, preload: str
) -> None:
    program = serve("--workers", "4", "--policy", "rr", "--preload", preload)
    judge(program, *storm(program, seconds=30))


def ask_all(opened: ExitStack, port: int, numbers: range) -> list[Caller]:
    """Open connections that have sent their request, and don't wait for answers."""
    callers = [opened.enter_context(closing(Caller(port, number))) for number in numbers]
    for caller in callers:
        caller.send("/pid")
    return callers


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    processes.until_state(pid, "T")


def test_a_stopped_workers_undelivered_connections_are_served_by_others(serve: Serve) -> None:
    program = serve("--workers", "2", "--policy", "rr")
    stopped, other = program.workers(2)
    with ExitStack() as opened:
        stop(stopped)  # until the end: who waits for it is never answered
        callers = ask_all(opened, program.port, range(40))  # in turn: 20 go to the stopped one
        assert [caller.reply().pid for caller in callers] == [other] * 40


def test_a_wedged_workers_undelivered_connections_are_served_by_others(serve: Serve) -> None:
    program = serve("--workers", "2", "--policy", "rr")
    with ExitStack() as opened:
        opened.enter_context(closing(Caller(program.port, 100))).send("/wedge")
        wedged = int(program.journal.wait_for_line("app: wedged")[0].split()[-1])
        (other,) = {*program.workers(2)} - {wedged}
        callers = ask_all(opened, program.port, range(40))
        assert [caller.reply().pid for caller in callers] == [other] * 40


@pytest.mark.parametrize("preload", ["on", "off"])
def test_connects_wait_while_all_workers_are_dead_and_then_are_served(
    serve: Serve, preload: str
) -> None:
    program = serve("--workers", "2", "--policy", "rr", "--preload", preload)
    old = program.workers(2)
    with ExitStack() as opened:
        for pid in old:
            stop(pid)
        before = ask_all(opened, program.port, range(20))  # undelivered when their worker dies
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        after = ask_all(opened, program.port, range(20, 40))
        answered = {caller.reply().pid for caller in before + after}
    assert answered <= set(program.workers(2))  # the first that is ready may take them all
    assert not answered & set(old)


def test_connects_wait_while_all_shared_workers_are_dead(serve: Serve) -> None:
    program = serve("--workers", "2", "--policy", "shared")
    old = program.workers(2)
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    with ExitStack() as opened:
        callers = ask_all(opened, program.port, range(20))
        assert not {caller.reply().pid for caller in callers} & set(old)
