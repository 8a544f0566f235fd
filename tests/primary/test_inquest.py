"""The answer to `dump`: of whom it tells, and how much."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.primary.kennel import Kennel, kennel_of

from prefork.control import dump
from prefork.errors import ControlError
from prefork.primary.inquest import LEFT_OUT, MOST, Inquest
from prefork.wire.stacks import Dump

Answers = list[dict[str, Any]]


@pytest.fixture
def kennel(tmp_path: Path) -> Iterator[Kennel]:
    with kennel_of(tmp_path) as it:
        yield it


def held(kennel: Kennel, slot: int | None) -> Answers:
    answers: Answers = []
    Inquest(kennel.children, kennel.watchdog).hold(slot, kennel.now, answers.append)
    return answers


def test_all_are_told_by_slot_when_the_last_has_answered(kennel: Kennel) -> None:
    late, early = kennel.hire(1), kennel.hire(0)
    answers = held(kennel, None)
    kennel.answer(early, Dump(requests=["GET /early"]))
    kennel.turn(100.1)
    assert answers == []
    kennel.answer(late, Dump(requests=["GET /late"]))
    kennel.turn(100.2)
    found = dump.read("shop", answers[0])
    assert [(each.slot, each.pid, each.requests) for each in found] == [
        (0, early.pid, ["GET /early"]),
        (1, late.pid, ["GET /late"]),
    ]


def test_one_slot_may_have_two_workers(kennel: Kennel) -> None:
    for slot in (0, 1, 0):
        kennel.describe(kennel.hire(slot), "T")
    [answer] = held(kennel, 0)
    assert [each["slot"] for each in answer["workers"]] == [0, 0]


def test_a_slot_without_a_worker_is_refused(kennel: Kennel) -> None:
    with pytest.raises(ControlError, match="there is no worker now"):
        held(kennel, None)
    kennel.hire(0)
    with pytest.raises(ControlError, match="there is no worker in slot 3 now"):
        held(kennel, 3)


def test_a_blocked_one_is_told_as_that(kennel: Kennel) -> None:
    child = kennel.hire()
    kennel.describe(child, "T")
    kennel.turn(100.0)
    kennel.until(102.0)
    [answer] = held(kennel, 0)
    assert answer["workers"][0]["blocked"] == "stopped"


def test_what_would_make_the_answer_too_long_is_left_out(
    kennel: Kennel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefork.primary.inquest.MOST", 1000)
    assert MOST > 1000
    first, second = kennel.hire(0), kennel.hire(1)
    answers = held(kennel, None)
    kennel.answer(first, Dump(raw="x" * 400))
    kennel.answer(second, Dump(raw="x" * 800))
    kennel.turn(100.1)
    told = answers[0]["workers"]
    assert told[0]["raw"] == "x" * 400
    assert (told[1]["raw"], told[1]["missing"]) == ("", LEFT_OUT)
