"""A drain: connections between two requests move to workers that stay, and clients see nothing."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from random import Random

import pytest
from tests.process.conftest import Serve
from tests.support import pacing, processes
from tests.support.asking import Caller
from tests.support.crowd import Crowd, Script, counted
from tests.support.load import Load
from tests.support.policies import POLICIES, chiefly
from tests.support.program import Program, Stats
from tests.support.reloads import ended, next_generation, reload
from tests.support.tidings import Plan, Report

QUICK = ("--min-uptime", "0.2")  # the trial is not what is tested
TWO = ("--workers", "2")
TARGET = "tests.support.target:app"
GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SLOWLY_TAKEN = b"POST /take?rate=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n" + bytes(900)
MOST_AT_ONCE = 4  # requests that are sent ahead
NEVER = ("--graceful-timeout", "300")  # by itself, as far as a test can see


def draining(stats: Stats) -> list[int]:
    return [each["pid"] for each in stats["workers"] if each["state"] == "draining"]


def open_connections(stats: Stats) -> int:
    return sum(worker["connections"] for worker in stats["workers"])


def reloaded(program: Program, thinks: Sequence[float], reloads: int, period: float) -> Report:
    """Hang up every *period* seconds under load; wait for the last reload; tell what happened."""
    plan = Plan(
        port=program.port,
        keep_alive=32,
        posting=32,
        thinks=thinks,
        per_request=32,
        pause=0.01,
        is_careful=True,
        seconds=reloads * period + 120,
    )
    with Load(plan) as load:
        generation = 0
        for _ in pacing.beats(period, reloads * period):
            generation = next_generation(program.stats())
            program.signal(signal.SIGHUP)
        assert ended(program, generation)["state"] == "succeeded"
        pacing.hold(max(thinks))  # each has asked since
        report = load.report()
    moved = program.stats()["totals"]["handed_back"]
    print(
        f"{report.served} requests on {report.connections} connections, the slowest in "
        f"{report.slowest:.3f} s; {moved} handed back, {report.closed} closed, "
        f"{len(report.failures)} failed"
    )
    return report


@pytest.mark.parametrize("policy", chiefly("rr", "reuseport"))
def test_reloads_close_no_connection_that_a_client_keeps(serve: Serve, policy: str) -> None:
    program = serve(*TWO, "--policy", policy, *QUICK)
    report = reloaded(program, (0, 0.005, 0.05, 0.5), reloads=3, period=1)
    assert report.failures == []
    assert report.closed == 0
    assert report.served > 1000


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
def test_twenty_reloads_in_two_minutes_close_no_connection(serve: Serve, policy: str) -> None:
    program = serve(*TWO, "--policy", policy)
    report = reloaded(program, (0, 0.005, 0.05, 0.5, 3), reloads=20, period=6)
    assert report.failures == []
    assert report.closed == 0
    assert report.served > 20_000


def test_fewer_workers_close_no_connection_either(serve: Serve) -> None:
    program = serve("--workers", "4", *QUICK)
    plan = Plan(port=program.port, keep_alive=16, posting=16, pause=0.02, is_careful=True)
    with Load(plan) as load:
        for left in (3, 2, 1):
            program.signal(signal.SIGTTOU)
            program.settled(lambda stats, left=left: len(stats["workers"]) == left)  # type: ignore[misc]
            assert open_connections(program.stats()) <= 32
        pacing.hold(0.5)
        report = load.report()
    assert report.failures == []
    assert report.closed == 0
    assert report.connections == 32


@pytest.mark.parametrize("count", [1000, pytest.param(3000, marks=pytest.mark.slow)])
def test_idle_connections_move_all_and_are_answered_where_they_are_then(
    serve: Serve, count: int
) -> None:
    program = serve(*TWO, *QUICK, app=TARGET)
    script = Script(port=program.port, count=count, first=GET, answers=1)
    with Crowd(script) as crowd:
        before = len(processes.descriptors(program.pid))
        old = program.workers(2)
        began = time.monotonic()
        with processes.Watch(old) as leaving:
            assert reload(program)["state"] == "succeeded"
            assert leaving.left(20) == []
        print(f"{count} connections: the reload took {time.monotonic() - began:.3f} s")
        stats = program.settled(lambda stats: open_connections(stats) == count)
        assert stats["totals"]["accepted"] == count, "none was counted twice"
        assert stats["totals"]["handed_back"] == count, "each moved once"
        program.settled(lambda _: len(processes.descriptors(program.pid)) <= before)
        crowd.ask()
        crowd.await_answers()
        ends = counted(crowd.report(), lambda life: (life.end, life.answers))
    assert ends == {("open", 2): count}


def test_a_caller_goes_on_with_the_new_worker_on_its_connection(serve: Serve) -> None:
    program = serve("--workers", "1", *QUICK)
    (old,) = program.workers(1)
    with ExitStack() as opened:
        idle, silent, busy, half = (
            opened.enter_context(closing(Caller(program.port, number))) for number in range(4)
        )
        names = [caller.socket.getsockname() for caller in (idle, silent, busy, half)]
        assert idle.ask("/pid").pid == old
        busy.send("/slow?seconds=1.5")
        half.socket.sendall(b"GET /pid HTTP/1.1\r\nHo")
        program.journal.wait_for_line("app: slow")
        assert reload(program)["state"] == "succeeded"
        assert busy.reply().pid == old
        assert idle.ask("/pid").pid != old
        assert silent.ask("/pid").pid != old
        half.socket.sendall(b"st: a\r\n\r\n")
        assert str(old).encode() in half.socket.recv(1000), "it was waited for"
        for caller in (busy, half):
            assert caller.ask("/pid").pid != old
        with processes.Watch([old]) as leaving:
            assert leaving.left(20) == []
        callers = (idle, silent, busy, half)
        assert [caller.socket.getsockname() for caller in callers] == names


async def chop(port: int, dice: Random, until: asyncio.Event) -> int:
    """Send numbered requests ahead, cut anywhere, and take each answer; return how many."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    count = 0
    while not until.is_set():
        ahead = dice.randint(1, MOST_AT_ONCE)
        body = b"b" * dice.randint(0, 40)
        numbers = range(count, count + ahead)
        head = b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b"
        sent = b"".join(head % (number, len(body), body) for number in numbers)
        while sent:
            cut = dice.randint(1, len(sent))
            writer.write(sent[:cut])
            sent = sent[cut:]
            await pacing.think(dice.choice((0, 0, 0.001, 0.01)))
        for number in numbers:
            told = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            assert told.startswith(b"HTTP/1.1 200 "), told
            assert b"connection: close" not in told.lower(), told
            assert await reader.readexactly(len(b"/%d" % number)) == b"/%d" % number
        count += ahead
        await pacing.think(dice.choice((0, 0.002, 0.1)))
    writer.close()
    return count


@pytest.mark.parametrize("seconds", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_requests_that_are_cut_anywhere_or_sent_ahead_survive_the_move(
    serve: Serve, seconds: float
) -> None:
    program = serve(*TWO, "--min-uptime", "0.05", app=TARGET)

    async def load() -> int:
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(chop(program.port, Random(n), over)) for n in range(24)]
            for _ in range(int(seconds / 0.5)):
                program.signal(signal.SIGHUP)
                await pacing.think(0.5)
            over.set()
        return sum(task.result() for task in tasks)

    served = asyncio.run(load())
    moved = program.settled(lambda stats: len(stats["workers"]) == 2)["totals"]["handed_back"]
    print(f"{served} requests, {moved} moves of 24 connections")
    assert moved >= 24


def test_an_answer_of_30_megabytes_is_finished_and_its_connection_moves_then(serve: Serve) -> None:
    program = serve("--workers", "1", *QUICK, app=TARGET)
    (old,) = program.workers(1)
    with closing(socket.create_connection(("127.0.0.1", program.port), timeout=20)) as client:
        client.sendall(b"GET /whole?mb=30 HTTP/1.1\r\nHost: a\r\n\r\n")
        with client.makefile("rb") as stream:
            while stream.readline().strip():
                continue  # the head
            assert len(stream.read(1_000_000)) == 1_000_000
            assert reload(program)["state"] == "succeeded"
            client.sendall(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
            program.settled(lambda stats: draining(stats) == [old])
            assert stream.read(29_000_000) == bytes(29_000_000)
            assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
    stats = program.settled(lambda stats: len(stats["workers"]) == 1)
    assert stats["totals"]["handed_back"] == 1


def test_a_worker_that_is_killed_while_it_hands_back_loses_what_it_still_had(
    serve: Serve,
) -> None:
    program = serve("--workers", "1", *QUICK, app=TARGET)
    script = Script(port=program.port, count=1000, first=GET, answers=1)
    with Crowd(script) as crowd:
        program.signal(signal.SIGHUP)
        (old,) = draining(program.settled(lambda stats: bool(draining(stats))))
        os.kill(old, signal.SIGKILL)
        (exit_,) = program.journal.wait_for("worker_exited")
        assert exit_["pid"] == old
        crowd.ask()
        crowd.await_answers()
        ends = counted(crowd.report(), lambda life: (life.end, life.answers))
    print(f"it still had {exit_['connections']}: {dict(ends)}")
    lost = 1000 - ends["open", 2]
    assert lost <= exit_["connections"]
    assert {end for end, _ in ends} <= {"open", "closed", "reset"}


def test_a_primary_that_is_killed_meanwhile_takes_everything_with_it(serve: Serve) -> None:
    program = serve("--workers", "1", *QUICK, *NEVER, app=TARGET)
    with ExitStack() as opened:
        busy = opened.enter_context(closing(Caller(program.port, 2000)))  # so that nobody drains
        busy.socket.sendall(SLOWLY_TAKEN)
        program.settled(lambda stats: open_connections(stats) == 1)
        script = Script(port=program.port, count=1000, first=GET, answers=1)
        crowd = opened.enter_context(Crowd(script))
        program.signal(signal.SIGHUP)
        program.settled(lambda stats: bool(draining(stats)))
        with processes.Watch(program.tree()) as tree:
            program.signal(signal.SIGKILL)
            assert tree.left(20) == []
        lives = crowd.wait()
    assert {life.end for life in lives} <= {"closed", "reset"}


def test_a_stop_meanwhile_ends_in_time_and_resets_nobody(serve: Serve) -> None:
    program = serve(*TWO, *QUICK, app=TARGET)
    with Crowd(Script(port=program.port, count=1000, first=GET, answers=1)) as crowd:
        program.signal(signal.SIGHUP)
        program.settled(lambda stats: bool(draining(stats)))
        program.signal(signal.SIGTERM)
        assert program.wait() == 0
        lives = crowd.wait()
    assert {life.end for life in lives} == {"closed"}
    assert program.leftovers() == []
