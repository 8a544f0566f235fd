"""Workers that publish while one of them is stopped, or dead, or the hub is."""

import http.client
import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from tests.process.conftest import Serve
from tests.support import processes
from tests.support.pacing import beats
from tests.support.program import Program

APP = "tests.support.broadcasting:app"
WORKERS = 3


class Worker:
    """One worker, by a connection that stays at it."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self.pid = int(self.ask("/who"))

    def ask(self, path: str) -> Any:
        self.connection.request("GET", path)
        reply = self.connection.getresponse()
        assert reply.status == 200
        return json.loads(reply.read())

    def until_heard(self, wanted: list[int]) -> None:
        """Ask until it has heard so many; these must be they."""
        heard: list[int] = []
        for _ in beats(0.05, 20):
            heard = self.ask("/tell")
            if len(heard) >= len(wanted):
                break
        assert heard == wanted


@pytest.fixture
def program(serve: Serve) -> Program:
    return serve("--workers", str(WORKERS), app=APP)


@pytest.fixture
def workers(program: Program) -> Iterator[list[Worker]]:
    """One after another gets a connection."""
    with ExitStack() as opened:
        found = [Worker(program.port) for _ in range(WORKERS)]
        for each in found:
            opened.enter_context(closing(each.connection))
        assert len({each.pid for each in found}) == WORKERS
        yield found


def test_a_stopped_worker_costs_the_others_nothing_and_is_named_as_missing(
    workers: list[Worker],
) -> None:
    one, two, stopped = workers
    os.kill(stopped.pid, signal.SIGSTOP)
    processes.until_state(stopped.pid, "T")
    one.ask("/publish/0/5000")
    two.until_heard(list(range(5000)))
    answer = one.ask("/ask/1")
    assert list(answer["replies"].values()) == [two.pid]
    assert len(answer["missing"]) == 1
    os.kill(stopped.pid, signal.SIGCONT)
    stopped.until_heard(list(range(5000)))


def test_a_worker_that_is_killed_is_not_waited_for_and_its_successor_takes_part(
    program: Program, workers: list[Worker]
) -> None:
    one, two, killed = workers
    os.kill(killed.pid, signal.SIGKILL)
    program.settled(lambda stats: len(set(pids(stats)) - {killed.pid}) == WORKERS)
    answer = one.ask("/ask/10")
    assert answer["missing"] == []
    assert two.pid in answer["replies"].values()
    assert set(answer["replies"].values()) == set(program.workers(WORKERS)) - {one.pid}


def test_when_the_hub_is_killed_another_goes_on_and_what_was_published_comes_once(
    program: Program, workers: list[Worker]
) -> None:
    one, *others = workers
    one.ask("/publish/0/100")
    for each in others:
        each.until_heard(list(range(100)))
    [hub] = program.stats()["hubs"]
    os.kill(hub["pid"], signal.SIGKILL)
    [died] = program.journal.wait_for("hub_exited")
    assert (died["pid"], died["status"]) == (hub["pid"], -signal.SIGKILL)
    one.ask("/publish/100/200")
    for each in others:
        each.until_heard(list(range(200)))
    gaps = program.journal.wait_for("bus_gap", count=WORKERS)
    assert {entry["reason"] for entry in gaps} == {"the hub was replaced"}


def test_the_hub_goes_after_the_workers_and_nothing_is_left(
    program: Program, workers: list[Worker]
) -> None:
    for each in workers:
        each.connection.close()
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert program.leftovers() == []


def pids(stats: dict[str, Any]) -> list[int]:
    return [each["pid"] for each in stats["workers"] if each["state"] == "serving"]
