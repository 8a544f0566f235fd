"""What the watchdog sees on the board and in /proc, and what it tells of that."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.primary.kennel import Kennel, kennel_of

from prefork import log
from prefork.core.facts import Blocked, Fact, Recovered, TimedOut, Verdict
from prefork.wire.board import Field
from prefork.wire.stacks import Dump, Stack


@pytest.fixture
def kennel(tmp_path: Path) -> Iterator[Kennel]:
    log.configure("info", "json")
    with kennel_of(tmp_path) as it:
        yield it
    log.configure("info", "text")


def kinds(facts: list[Fact]) -> list[type]:
    return [type(fact) for fact in facts]


def logged(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capfd.readouterr().err.splitlines()]


def test_without_workers_nothing_is_due(kennel: Kennel) -> None:
    assert kennel.turn(100.0) == []
    assert kennel.watchdog.next_check() is None


def test_a_worker_that_beats_is_left_alone(
    kennel: Kennel, capfd: pytest.CaptureFixture[str]
) -> None:
    child = kennel.hire()
    for half_second in range(200, 240):
        kennel.turn(half_second / 2)
        kennel.beat(child)
    assert logged(capfd) == []
    assert kennel.watchdog.blocks == 0


def test_a_blocked_loop_is_told_with_what_the_worker_is_at(
    kennel: Kennel, capfd: pytest.CaptureFixture[str]
) -> None:
    child = kennel.hire()
    kennel.turn(100.0)
    kennel.now = 101.9
    kennel.beat(child, thread_only=True)
    [blocked] = kennel.until(102.0)
    assert blocked == Blocked(child.id, Verdict.LOOP, 2.0)
    assert kennel.watchdog.verdicts() == {child.id: Verdict.LOOP}
    assert logged(capfd) == [], "the dump isn't there yet"
    tasks = [Stack(f"task {number:02}", []) for number in range(12)]
    kennel.answer(child, Dump(requests=["GET /a", "GET /b"], tasks=tasks))
    kennel.turn(102.01)
    [line] = logged(capfd)
    assert (line["event"], line["verdict"], line["seconds"]) == ("worker_blocked", "loop", 2.0)
    assert (line["slot"], line["pid"], line["in_flight"]) == (0, child.pid, 2)
    assert line["requests"] == ["GET /a", "GET /b"]
    assert "task task 09, waiting:\nand 2 more tasks" in line["detail"]


def test_one_that_is_stopped_is_told_at_once(
    kennel: Kennel, capfd: pytest.CaptureFixture[str]
) -> None:
    child = kennel.hire()
    kennel.describe(child, "T")
    kennel.turn(100.0)
    kennel.board.line(child.line)[Field.IN_FLIGHT] = 3
    assert kinds(kennel.until(102.0)) == [Blocked]
    [line] = logged(capfd)
    assert (line["verdict"], line["in_flight"]) == ("stopped", 3)
    assert "requests" not in line


def test_one_whose_interpreter_is_held_is_not_asked_in_vain(kennel: Kennel) -> None:
    child = kennel.hire()
    kennel.turn(100.0)
    kennel.until(102.0)
    assert kennel.watchdog.verdict(child.id) is Verdict.INTERPRETER
    assert kennel.ends[child.id].take() is None


def test_when_it_turns_again_that_is_told_after_what_it_was_at(
    kennel: Kennel, capfd: pytest.CaptureFixture[str]
) -> None:
    child = kennel.hire()
    kennel.turn(100.0)
    kennel.until(102.0)
    kennel.now = 102.1
    kennel.beat(child)
    assert kinds(kennel.until(102.3)) == [Recovered]
    events = [line["event"] for line in logged(capfd)]
    assert events == ["worker_blocked", "worker_recovered"]


def test_after_its_timeout_it_is_told_to_the_core(kennel: Kennel) -> None:
    kennel.hire()
    kennel.turn(100.0)
    assert kinds(kennel.until(131.0)) == [Blocked, TimedOut]
    assert kennel.watchdog.blocks == 1


def test_one_that_gets_no_core_is_told_to_the_log_alone(
    kennel: Kennel, capfd: pytest.CaptureFixture[str]
) -> None:
    child = kennel.hire()
    tasks = kennel.proc / str(child.pid) / "task" / str(child.pid)
    tasks.mkdir(parents=True)
    kennel.turn(100.0)
    while (due := kennel.watchdog.next_check()) is not None and due < 105:
        (tasks / "schedstat").write_text(f"1 {int((due - 100) * 1e9)} 1")
        assert kennel.turn(due) == []
    [line] = logged(capfd)
    assert line["event"] == "worker_starved"
    assert line["effect"] == "it is not killed"


def test_who_has_not_begun_to_beat_is_awaited(kennel: Kennel) -> None:
    child = kennel.hire()
    kennel.board.line(child.line)[Field.BEAT] = 0
    assert kennel.turn(100.0) == []
    assert kennel.until(200.0) == []
    assert kennel.watchdog.next_check() is not None


def test_who_is_at_its_end_and_beats_no_more_is_left_alone_and_costs_nothing(
    kennel: Kennel, capfd: pytest.CaptureFixture[str]
) -> None:
    child = kennel.hire()
    kennel.turn(100.0)
    kennel.board.line(child.line)[Field.BEAT] = 0
    for _ in range(10):
        due = kennel.watchdog.next_check()
        assert due is not None
        assert kennel.turn(due) == []
    assert kennel.now > 108
    assert logged(capfd) == []


def test_the_death_of_a_worker_tells_what_is_known_of_it(
    kennel: Kennel, capfd: pytest.CaptureFixture[str]
) -> None:
    child = kennel.hire()
    kennel.turn(100.0)
    kennel.until(102.0)
    kennel.watchdog.forget(child)
    assert [line["event"] for line in logged(capfd)] == ["worker_blocked"]
