"""What is told of a worker's life: each event once, in order, in the state that it brings."""

import os
import socket
from functools import partial
from typing import Any

import pytest

from prefork.cluster.handle import Address
from prefork.cluster.narrator import Narrator
from prefork.cluster.timers import Timers
from prefork.core.facts import Exited, Forked, ReloadRequested, StopRequested
from prefork.core.orders import Admit, AskToStop, GiveUp, Spawn

ADDRESS = Address(socket.AF_INET, "127.0.0.1", 8000)
LIFE = ("fork", "online", "listening", "message", "leader", "disconnect", "exit")


class Diary:
    def __init__(self, *addresses: str) -> None:
        self.narrator = Narrator(lambda: addresses)
        self.lines: list[tuple[Any, ...]] = []
        for event in LIFE:
            self.narrator.events.on(event, lambda *args, event=event: self._write(event, *args))

    def _write(self, event: str, worker: Any, *arguments: Any) -> None:
        self.lines.append((event, worker.id, worker.state, *arguments))

    def read(self) -> list[tuple[Any, ...]]:
        self.narrator.speak()
        lines, self.lines = self.lines, []
        return lines


@pytest.fixture
def diary() -> Diary:
    return Diary("127.0.0.1:8000")


def born(diary: Diary, id: int = 1) -> Narrator:
    diary.narrator.obeyed(Spawn(id, 0, 1, None))
    diary.narrator.heard(Forked(id, 100 + id))
    diary.narrator.online(id)
    diary.narrator.obeyed(Admit(id))
    return diary.narrator


def test_a_life_is_told_in_order_and_each_event_in_its_state(diary: Diary) -> None:
    narrator = born(diary)
    assert diary.read() == [
        ("fork", 1, "none"),
        ("online", 1, "online"),
        ("listening", 1, "listening", ADDRESS),
    ]
    worker = narrator.workers[1]
    assert worker.pid == 101
    narrator.heard(Exited(1, -9))
    assert narrator.workers == {1: worker}
    assert diary.read() == [
        ("disconnect", 1, "disconnected"),
        ("exit", 1, "dead", None, 9),
    ]
    assert worker.exited_after_disconnect is False
    assert narrator.workers == {}


def test_one_that_was_told_to_go_exits_after_a_disconnect(diary: Diary) -> None:
    narrator = born(diary)
    worker = narrator.workers[1]
    narrator.obeyed(AskToStop(1, 30.0))
    assert worker.exited_after_disconnect is True
    narrator.ended(1)
    assert diary.read()[-1] == ("disconnect", 1, "disconnected")
    assert 1 in narrator.workers
    narrator.ended(1)
    narrator.heard(Exited(1, 3))
    assert diary.read() == [("exit", 1, "dead", 3, None)]
    assert worker.exited_after_disconnect is True


def test_a_worker_hears_of_itself_before_the_cluster_does(diary: Diary) -> None:
    worker = diary.narrator.meet(1, 0, 1)
    said: list[str] = []
    worker.on("online", lambda: said.append("worker"))
    worker.once("exit", lambda code, signal: said.append(f"{code} {signal}"))
    diary.narrator.events.on("online", lambda _: said.append("cluster"))
    born(diary)
    assert diary.narrator.workers[1] is worker
    diary.narrator.heard(Exited(1, 0))
    diary.read()
    assert said == ["worker", "cluster", "0 None"]


def test_a_worker_on_two_addresses_listens_twice() -> None:
    other = Address(socket.AF_UNIX, path="/tmp/a")
    diary = Diary("127.0.0.1:8000", "unix:/tmp/a")
    born(diary)
    assert [line[3] for line in diary.read() if line[0] == "listening"] == [ADDRESS, other]


def test_what_a_handler_brings_about_is_told_after_what_was_noted_before(diary: Diary) -> None:
    narrator = born(diary)
    narrator.events.on("exit", lambda _: narrator.obeyed(Spawn(2, 0, 1, None)))
    narrator.heard(Exited(1, 1))
    narrator.obeyed(AskToStop(1, 0.0))
    assert [line[:2] for line in diary.read()][3:] == [
        ("disconnect", 1),
        ("exit", 1),
        ("fork", 2),
    ]


def test_a_worker_runs_what_it_was_forked_for(diary: Diary) -> None:
    """One that has to wait for its time may run what a reload has brought meanwhile."""
    worker = diary.narrator.meet(1, 0, 1)
    diary.narrator.obeyed(Spawn(1, 0, 2, None))
    assert worker.generation == 2


def test_of_processes_that_are_no_workers_nothing_is_told(diary: Diary) -> None:
    diary.narrator.heard(Forked(7, 107))
    diary.narrator.heard(Exited(7, 0))
    diary.narrator.online(7)
    diary.narrator.ended(7)
    diary.narrator.obeyed(AskToStop(7, 0.0))
    assert diary.read() == []


def test_a_reload_is_the_scripts_own_where_it_has_a_handler(diary: Diary) -> None:
    assert not diary.narrator.takes(ReloadRequested())
    said: list[str] = []
    diary.narrator.events.on("reload", lambda: said.append("reload"))
    assert diary.narrator.takes(ReloadRequested())
    assert not diary.narrator.takes(StopRequested())
    diary.read()
    assert said == ["reload"]


def test_descriptors_that_no_handler_takes_are_closed() -> None:
    narrator = Narrator(lambda: ())
    narrator.meet(1, 0, 1)
    seen: list[Any] = []
    narrator.events.on("message", lambda worker, message: seen.append((worker.id, message)))
    reading, writing = os.pipe()
    narrator.received(1, "a", [reading])
    narrator.speak()
    assert seen == [(1, "a")]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.close(reading)
    narrator.workers[1].on("message", lambda message, fds: seen.append((message, fds)))
    narrator.received(1, "b", [writing])
    narrator.speak()
    assert ("b", [writing]) in seen
    os.close(writing)


def test_it_says_when_all_is_told_and_tells_what_comes_of_that(diary: Diary) -> None:
    narrator = diary.narrator
    asked: list[int] = []

    def look() -> None:
        asked.append(len(narrator.workers))
        if len(asked) == 1:
            born(diary)

    narrator.told = look
    assert len(diary.read()) == 3
    assert asked == [0, 1]


def test_a_timer_that_is_cancelled_in_its_own_turn_is_not_called() -> None:
    """Also by another that is due with it, or by the answer that it was to wait for."""
    narrator = Narrator(lambda: ())
    called: list[str] = []
    timers = Timers(narrator.ring)

    def cancel() -> None:
        second.cancel()
        called.append("first")

    timers.add(1.0, cancel)
    second = timers.add(1.0, partial(called.append, "second"))
    timers.add(1.0, partial(called.append, "third"))
    timers.check(1.0)
    narrator.speak()
    assert called == ["first", "third"]


def test_one_that_is_given_up_before_it_was_there_is_dead_and_nothing_was_told_of_it(
    diary: Diary,
) -> None:
    worker = diary.narrator.meet(1, 0, 1)
    diary.narrator.obeyed(GiveUp(1))
    assert (worker.is_connected(), worker.is_dead()) == (False, True)
    assert worker.exited_after_disconnect is True
    assert diary.narrator.workers == {}
    assert diary.read() == []
