"""Who gets a connection under `least`, `hash` and `reuseport`, and when a slot is empty."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.support import pacing, processes
from tests.support.asking import Caller
from tests.support.policies import chiefly
from tests.support.program import PREFORK, Program, run, serving

from prefork.policy.ledger import STUCK_AFTER

FOUR = ("--workers", "4")


@contextmanager
def callers(port: int, numbers: range) -> Iterator[list[Caller]]:
    """Open connections from different addresses, and close them at the end."""
    with ExitStack() as opened:
        yield [opened.enter_context(closing(Caller(port, number))) for number in numbers]


def asked(port: int, numbers: range) -> dict[int, int]:
    """Ask once from each address, one after another; return the answering pids by number."""
    answers = {}
    for number in numbers:
        with closing(Caller(port, number)) as caller:
            answers[number] = caller.ask("/pid").pid
    return answers


def halt(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    processes.until_state(pid, "T")


@contextmanager
def empty_slot(program: Program, slot: int) -> Iterator[int]:
    """Kill the slot's worker, and have the template fork no other meanwhile."""
    (template,) = [entry["pid"] for entry in program.stats()["templates"]]
    victim = program.workers(4)[slot]
    halt(template)
    os.kill(victim, signal.SIGKILL)
    program.workers(3)
    yield victim
    os.kill(template, signal.SIGCONT)


def answered(opened: ExitStack, port: int, numbers: range) -> list[tuple[Caller, int]]:
    """Open connections that stay, one when the last was answered; with the pids that answered."""
    found = []
    for number in numbers:
        caller = opened.enter_context(closing(Caller(port, number)))
        found.append((caller, caller.ask("/pid").pid))
    return found


def test_under_least_a_worker_with_50_open_requests_gets_none_until_the_others_have_as_many(
    serve: Serve,
) -> None:
    program = serve(*FOUR, "--policy", "least")
    busy, *others = program.workers(4)
    with ExitStack() as opened:
        for caller, pid in answered(opened, program.port, range(200)):
            if pid == busy:
                caller.send("/endless")
            else:
                caller.close()
        program.settled(lambda stats: [w["connections"] for w in stats["workers"]] == [50, 0, 0, 0])
        served = Counter(pid for _, pid in answered(opened, program.port, range(200, 350)))
        assert served == dict.fromkeys(others, 50)
        served = Counter(pid for _, pid in answered(opened, program.port, range(350, 358)))
        assert served == dict.fromkeys([busy, *others], 2)


def test_under_hash_only_a_dead_workers_addresses_move_and_they_return(serve: Serve) -> None:
    program = serve(*FOUR, "--policy", "hash")
    numbers = range(120)
    before = asked(program.port, numbers)
    assert asked(program.port, numbers) == before
    assert min(Counter(before.values()).values()) > 10
    assert len(set(before.values())) == 4
    with empty_slot(program, 2) as dead:
        without = asked(program.port, numbers)
        moved = {number for number in numbers if without[number] != before[number]}
        assert moved == {number for number in numbers if before[number] == dead}
        assert len({without[number] for number in moved}) == 3, "they are spread over the others"
    successor = program.workers(4)[2]
    after = asked(program.port, numbers)
    assert after == {n: successor if pid == dead else pid for n, pid in before.items()}


@pytest.mark.parametrize("entry", [PREFORK, ("-m", "tests.support.without_subreaper")])
def test_under_reuseport_every_worker_gets_connections_and_all_are_answered(
    serve: Serve, entry: tuple[str, ...]
) -> None:
    program = serve(*FOUR, "--policy", "reuseport", entry=entry)
    with callers(program.port, range(200)) as opened:
        for caller in opened:
            caller.send("/pid")
        served = Counter(caller.reply().pid for caller in opened)
    assert set(served) == set(program.workers(4))
    assert min(served.values()) > 20


def test_a_second_instance_is_refused_on_an_address_that_reuseport_shares(
    serve: Serve, tmp_path: Path
) -> None:
    program = serve(*FOUR, "--policy", "reuseport")
    home = tmp_path / "other"
    home.mkdir(mode=0o700)
    serving = ["serve", "tests.support.apps:app", "--policy", "reuseport"]
    refused = run(*serving, "--bind", program.bind[0], home=home)
    assert refused.code == 5
    assert f"cannot listen on {program.bind[0]}: already in use" in refused.err
    assert len(asked(program.port, range(40))) == 40


def test_under_reuseport_the_queues_of_killed_workers_are_served_by_the_others(
    serve: Serve,
) -> None:
    program = serve(*FOUR, "--policy", "reuseport")
    for slot in range(4):
        victim = program.workers(4)[slot]
        halt(victim)
        with callers(program.port, range(60)) as opened:
            for caller in opened:
                caller.send("/pid")  # those in the queue of the stopped worker wait
            os.kill(victim, signal.SIGKILL)
            assert victim not in {caller.reply().pid for caller in opened}
        program.settled(lambda stats: stats["state"] == "serving")


def test_under_reuseport_no_connection_waits_for_a_slot_that_is_empty(serve: Serve) -> None:
    program = serve(*FOUR, "--policy", "reuseport")
    with empty_slot(program, 0) as dead, callers(program.port, range(100)) as opened:
        for caller in opened:
            caller.send("/pid")
        served = Counter(caller.reply().pid for caller in opened)  # while the slot is empty
    assert dead not in served
    assert len(served) == 3


def test_under_reuseport_no_connection_waits_for_a_slot_in_back_off(serve: Serve) -> None:
    program = serve(*FOUR, "--policy", "reuseport", "--min-uptime", "60")
    for death in range(1, 5):  # each sooner than the minimal uptime: the delay doubles
        kill_second(program, death)
    assert any(all_are_answered_before_it_is_over(program, death) for death in range(5, 9))
    program.workers(4)


def kill_second(program: Program, death: int) -> None:
    os.kill(program.workers(4)[1], signal.SIGKILL)
    program.journal.wait_for("worker_exited", count=death)


def all_are_answered_before_it_is_over(program: Program, death: int) -> bool:
    """Where the machine stands still they are not; the next back-off is longer."""
    kill_second(program, death)
    assert program.journal.wait_for("backing_off", count=death - 1)[-1]["seconds"] > 0.5
    assert len(asked(program.port, range(60))) == 60
    return len(serving(program.stats())) == 3


@pytest.mark.parametrize("policy", chiefly("least", "shared", "reuseport"))
def test_a_stop_answers_what_waits_in_every_queue(serve: Serve, policy: str) -> None:
    program = serve(*FOUR, "--policy", policy)
    workers = program.workers(4)
    for pid in workers:
        halt(pid)
    with callers(program.port, range(80)) as opened:
        for caller in opened:
            caller.send("/pid")
        program.signal(signal.SIGTERM)
        program.settled(lambda stats: stats["state"] == "stopping")
        pacing.hold(2 * STUCK_AFTER)  # nobody else is there to take it
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        assert {caller.reply().pid for caller in opened} <= set(workers)
    assert program.wait() == 0


@pytest.mark.alone
def test_under_reuseport_the_queue_of_a_slot_that_was_scaled_away_is_served(serve: Serve) -> None:
    program = serve(*FOUR, "--policy", "reuseport")
    for number, count in [(signal.SIGTTOU, 3), (signal.SIGTTOU, 2), (signal.SIGTTIN, 3)]:
        program.signal(number)
        program.settled(lambda stats, count=count: len(stats["workers"]) == count)  # type: ignore[misc]
        assert set(asked(program.port, range(80)).values()) == set(program.workers(count))
