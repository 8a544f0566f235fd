"""Who is called for an event, with what, and what becomes of a handler that fails."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.pacing import hold

from prefork import log
from prefork.cluster.events import SLOW, Emitter


@pytest.fixture
def emitter() -> Emitter:
    return Emitter({"exit": 3, "online": 1, "error": 1, "request": 1})


def test_a_handler_gets_as_many_arguments_as_it_takes(emitter: Emitter) -> None:
    seen: list[Any] = []
    emitter.on("exit", lambda worker: seen.append(("w", worker)))
    emitter.on("exit", lambda worker, code=5: seen.append((worker, code)))
    emitter.on("exit", lambda *all_of_them: seen.append(all_of_them))
    emitter.on("exit", lambda: seen.append(None))
    emitter.emit("exit", "w", 1, None)
    assert seen == [("w", "w"), ("w", 1), ("w", 1, None), None]


def test_handlers_are_called_in_the_order_in_which_they_were_added(emitter: Emitter) -> None:
    seen: list[str] = []
    for name in "abc":
        emitter.on("online", lambda _, name=name: seen.append(name))
    emitter.emit("online", 1)
    assert seen == ["a", "b", "c"]


def test_one_that_is_for_once_is_called_once_though_it_emits_the_event_again(
    emitter: Emitter,
) -> None:
    seen: list[int] = []

    def again(number: int) -> None:
        seen.append(number)
        emitter.emit("online", number + 1)

    emitter.on("online", again, is_once=True)
    emitter.emit("online", 1)
    assert seen == [1]


def test_one_that_is_removed_is_called_no_more(emitter: Emitter) -> None:
    seen: list[int] = []
    handler = emitter.on("online", seen.append)
    emitter.off("online", handler)
    emitter.off("online", handler)
    emitter.emit("online", 1)
    assert not emitter.has("online")
    assert seen == []


def test_of_an_event_that_does_not_exist_nothing_is_removed(emitter: Emitter) -> None:
    with pytest.raises(ValueError, match="no such event 'exits'"):
        emitter.off("exits", print)


def test_one_that_is_for_once_may_be_removed_by_one_that_is_called_before_it(
    emitter: Emitter,
) -> None:
    seen: list[str] = []
    late = lambda: seen.append("late")  # noqa: E731 - it is to be removed
    emitter.on("online", lambda: emitter.off("online", late))
    emitter.on("online", late, is_once=True)
    emitter.on("online", lambda: seen.append("last"))
    emitter.emit("online", 1)
    assert seen == ["last"]


def test_it_knows_whether_any_handler_gets_all_arguments(emitter: Emitter) -> None:
    assert not emitter.gives_all("exit")
    emitter.on("exit", lambda worker, code: (worker, code))
    assert not emitter.gives_all("exit")
    emitter.on("exit", lambda *_: None)
    assert emitter.gives_all("exit")
    emitter.on("online", lambda _: None)
    assert emitter.gives_all("online")


async def coroutine() -> None: ...


class Awaited:
    async def __call__(self) -> None: ...


@pytest.mark.parametrize(
    ("event", "handler", "kind", "said"),
    [
        ("exits", print, ValueError, "no such event 'exits': there are exit, online"),
        ("exit", 3, TypeError, "a handler must be callable, not int"),
        ("exit", coroutine, TypeError, "the primary has no event loop; write a plain `def`"),
        ("exit", Awaited(), TypeError, "the primary has no event loop; write a plain `def`"),
        ("online", lambda _a, _b: None, TypeError, "takes more arguments than the 1 that there"),
    ],
    ids=["unknown", "uncallable", "async", "async object", "greedy"],
)
def test_what_can_never_be_called_is_refused_at_once(
    emitter: Emitter, event: str, handler: Any, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said.replace("(", r"\(")):
        emitter.on(event, handler)


@pytest.fixture
def logged(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], list[dict[str, Any]]]:
    monkeypatch.setattr(log, "_log", log.Log())
    log.configure("info", "json")
    return lambda: [json.loads(line) for line in capfd.readouterr().err.splitlines()]


def fail(_: object) -> None:
    raise ValueError("no")


def test_one_that_raises_is_logged_and_told_and_the_others_are_called(
    emitter: Emitter, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    seen: list[object] = []
    emitter.on("online", fail)
    emitter.on("online", seen.append)
    emitter.on("error", lambda error: seen.append(str(error)))
    emitter.emit("online", 1)
    assert seen == ["no", 1]
    [line] = logged()
    assert (line["event"], line["on"], line["reason"]) == (
        "handler_failed",
        "online",
        "ValueError('no')",
    )
    assert line["handler"].endswith("test_events.fail")
    assert "cluster/events.py" not in line["detail"]
    assert 'raise ValueError("no")' in line["detail"]


def test_an_error_handler_that_raises_is_not_told_of_itself(
    emitter: Emitter, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    emitter.on("error", fail)
    emitter.on("online", fail)
    emitter.emit("online", 1)
    assert [line["on"] for line in logged()] == ["online", "error"]


def test_one_that_exits_ends_the_program(emitter: Emitter) -> None:
    def leave() -> None:
        raise SystemExit(42)

    emitter.on("online", leave)
    with pytest.raises(SystemExit) as ended:
        emitter.emit("online", 1)
    assert ended.value.code == 42


def dawdle(_: object) -> None:
    hold(SLOW + 0.02)


def test_one_that_blocks_for_over_100_ms_is_named(
    emitter: Emitter, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    emitter.on("online", dawdle)
    emitter.emit("online", 1)
    [line] = logged()
    assert (line["event"], line["on"]) == ("handler_blocked", "online")
    assert line["handler"].endswith("test_events.dawdle")
    assert line["seconds"] > SLOW


def test_one_handler_answers_requests_and_another_is_refused(emitter: Emitter) -> None:
    emitter.on("request", lambda number: number + 1)
    with pytest.raises(ValueError, match="a handler of 'request' already, and one is to answer"):
        emitter.on("request", lambda number: number + 2)
    assert emitter.ask("request", 3) == 4
    assert emitter.ask("request", 4) == 5


def test_one_that_is_for_once_answers_once_and_may_be_followed_by_another(emitter: Emitter) -> None:
    emitter.on("request", lambda number: number + 1, is_once=True)
    assert emitter.ask("request", 3) == 4
    assert not emitter.has("request")
    emitter.on("request", lambda number: number + 2)
    assert emitter.ask("request", 3) == 5


def test_one_that_fails_to_answer_is_logged_and_whoever_asked_hears_of_it(
    emitter: Emitter, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    emitter.on("request", fail)
    with pytest.raises(ValueError, match="no"):
        emitter.ask("request", 1)
    [line] = logged()
    assert line["event"] == "handler_failed"
