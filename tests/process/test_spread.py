"""Who gets a connection: with `rr` each worker in its turn."""

import socket
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.support.asking import Caller, ask
from tests.support.program import Program

FOUR = ("--workers", "4")


def burst(port: int, size: int, first: int) -> Counter[int]:
    """Open *size* connections at once, then ask on all; count the answers by pid."""
    with ExitStack() as opened:
        callers = [
            opened.enter_context(closing(Caller(port, number)))
            for number in range(first, first + size)
        ]
        for caller in callers:
            caller.send("/pid")
        return Counter(caller.reply().pid for caller in callers)


def shares(served: Counter[int], program: Program) -> list[int]:
    return [served[pid] for pid in program.workers(4)]


def test_400_connections_one_after_another_are_100_for_each_worker(serve: Serve) -> None:
    program = serve(*FOUR, "--policy", "rr")
    served = Counter(ask(program.port, "/pid").pid for _ in range(400))
    assert shares(served, program) == [100, 100, 100, 100]


def test_400_connections_that_stay_open_are_100_for_each_worker(serve: Serve) -> None:
    program = serve(*FOUR, "--policy", "rr")
    with ExitStack() as opened:
        callers = (
            opened.enter_context(closing(Caller(program.port, number))) for number in range(400)
        )
        served = Counter(caller.ask("/pid").pid for caller in callers)
    assert shares(served, program) == [100, 100, 100, 100]


def test_bursts_of_100_connections_are_spread_within_5_percent(serve: Serve) -> None:
    program = serve(*FOUR, "--policy", "rr")
    served = sum((burst(program.port, 100, 100 * n) for n in range(4)), Counter[int]())
    assert served.total() == 400
    assert max(shares(served, program)) / min(shares(served, program)) <= 1.05


def test_the_statistics_tell_the_same_spread(serve: Serve) -> None:
    program = serve(*FOUR, "--policy", "rr")
    for _ in range(40):
        ask(program.port, "/pid")
    stats = program.settled(lambda s: int(s["totals"]["requests"]) == 40)
    assert [worker["accepted"] for worker in stats["workers"]] == [10, 10, 10, 10]
    assert [worker["requests"] for worker in stats["workers"]] == [10, 10, 10, 10]
    assert [worker["connections"] for worker in stats["workers"]] == [0, 0, 0, 0]
    assert stats["totals"]["accepted"] == 40


def test_shared_serves_everything_too(serve: Serve) -> None:
    program = serve(*FOUR, "--policy", "shared")
    served = burst(program.port, 100, 0)
    assert served.total() == 100
    assert set(served) <= set(program.workers(4))


@pytest.mark.parametrize("policy", ["rr", "shared"])
def test_every_bind_is_served_by_the_same_workers(
    serve: Serve, tmp_path: Path, policy: str
) -> None:
    path = tmp_path / "web.sock"
    binds = ("--bind", "127.0.0.1:0", "--bind", "[::1]:0", "--bind", f"unix:{path}")
    program = serve("--workers", "2", "--policy", policy, *binds)
    assert program.bind[2] == f"unix:{path}"
    six = int(program.bind[1].removeprefix("[::1]:"))
    opened = [
        socket.create_connection(("127.0.0.1", program.port)),
        socket.create_connection(("::1", six)),
        socket.socket(socket.AF_UNIX),
    ]
    opened[2].connect(str(path))
    assert {ask_on(each) for each in opened} <= set(program.workers(2))


def ask_on(connected: socket.socket) -> int:
    with connected:
        connected.sendall(b"GET /pid HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        return int(connected.makefile("rb").read().rpartition(b"\r\n\r\n")[2])
