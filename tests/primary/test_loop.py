"""The loop tells the fleet what happened and obeys its orders, on a fake operating system."""

from collections.abc import Iterable, Iterator

import pytest

from prefork.core.facts import (
    Blocked,
    Exited,
    Fact,
    Failed,
    Forked,
    HubWanted,
    LeftRotation,
    Ready,
    Recovered,
    ReloadRequested,
    Stage,
    StopRequested,
    TimedOut,
    Verdict,
)
from prefork.core.fleet import Fleet
from prefork.core.orders import AskToStop, Spawn, SpawnPool, StartHub, StartTemplate
from prefork.core.plan import Plan
from prefork.errors import ExitCode
from prefork.primary.loop import Primary, Unobserved


class FakeHost:
    """Forks at once, obeys at once, and plays *script*: one batch of facts for each wait."""

    def __init__(self, script: list[list[Fact]]) -> None:
        self._script = iter(script)
        self._clock = 0.0
        self.diary: list[str] = []

    def now(self) -> float:
        return self._clock

    def wait(self, deadline: float | None) -> Iterator[Fact]:
        if deadline is not None:
            assert deadline > self._clock, "a deadline was overlooked"
        self._clock += 1.0
        yield from next(self._script)

    def start(self, order: StartTemplate | StartHub) -> Iterable[Fact]:
        self.diary.append(f"{'hub' if isinstance(order, StartHub) else 'template'} {order.id}")
        return [Forked(order.id, 100 + order.id)]

    def spawn(self, order: Spawn | SpawnPool) -> Iterable[Fact]:
        self.diary.append(f"spawn {order.id} in {order.slot}")
        return [Forked(order.id, 100 + order.id)]

    def appoint(self, id: int) -> Iterable[Fact]:
        self.diary.append(f"appoint {id}")
        return []

    def admit(self, id: int) -> Iterable[Fact]:
        self.diary.append(f"admit {id}")
        return []

    def open_hub(self, id: int) -> Iterable[Fact]:
        self.diary.append(f"open hub {id}")
        return []

    def open_pool(self, id: int) -> None:
        self.diary.append(f"open pool {id}")

    def give_up(self, id: int) -> None:
        self.diary.append(f"give up {id}")

    def suspend(self, id: int) -> None:
        self.diary.append(f"suspend {id}")

    def resume(self, id: int) -> None:
        self.diary.append(f"resume {id}")

    def abort(self, id: int, reason: str) -> None:
        self.diary.append(f"abort {id}: {reason}")

    def close_listeners(self) -> None:
        self.diary.append("close")

    def release_listeners(self) -> None:
        self.diary.append("release")

    def ask_to_stop(self, order: AskToStop) -> Iterable[Fact]:
        self.diary.append(f"stop {order.id} within {order.grace:g}")
        return []

    def kill(self, id: int, reason: str) -> Iterable[Fact]:
        self.diary.append(f"kill {id}: {reason}")
        return []


def run(*script: list[Fact], workers: int = 1) -> tuple[int, list[str]]:
    host = FakeHost(list(script))
    plan = Plan(workers, True, True, start_timeout=10, graceful_timeout=30)
    primary = Primary(
        Fleet(plan),
        host,
        announce=lambda: host.diary.append("announce"),
        tell_reload=lambda status: host.diary.append(f"reload {status.state.value}"),
        observer=Unobserved(),
    )
    return primary.run(), host.diary


def test_a_life_from_start_to_stop() -> None:
    ends: list[list[Fact]] = [[LeftRotation(2), Exited(2, 0)], [Exited(1, 0)]]
    code, diary = run([Ready(1)], [Ready(2)], [StopRequested()], *ends)
    assert code == ExitCode.OK
    assert diary == [
        "template 1",
        "spawn 2 in 0",
        "admit 2",
        "appoint 2",
        "announce",
        "close",
        "stop 2 within 30",
        "stop 1 within 0",
    ]


def test_a_hub_that_is_wanted_is_started_and_opened_and_ends_last() -> None:
    wanted: list[list[Fact]] = [[HubWanted()], [Ready(3)], [StopRequested()]]
    ends: list[list[Fact]] = [[LeftRotation(2), Exited(2, 0)], [Exited(1, 0), Exited(3, 0)]]
    code, diary = run([Ready(1)], [Ready(2)], *wanted, *ends)
    assert code == ExitCode.OK
    assert [line for line in diary if "hub" in line] == ["hub 3", "open hub 3"]
    assert diary[-1] == "stop 3 within 0"


def test_a_worker_that_is_blocked_leaves_rotation_comes_back_and_is_aborted_at_last() -> None:
    sightings: list[list[Fact]] = [
        [Blocked(2, Verdict.LOOP, 2.0)],
        [Recovered(2, 3.0)],
        [Blocked(2, Verdict.STOPPED, 2.0)],
        [TimedOut(2, Verdict.STOPPED, 30.0)],
    ]
    ends: list[list[Fact]] = [[Exited(2, -6)], [Exited(3, 0)], [Exited(1, 0)]]
    _, diary = run([Ready(1)], [Ready(2)], *sightings, ends[0], [StopRequested()], *ends[1:])
    assert diary[5:10] == [
        "suspend 2",
        "resume 2",
        "suspend 2",
        "abort 2: it was stopped for 30 s (worker_timeout)",
        "spawn 3 in 0",
    ]


def test_how_a_reload_goes_is_told() -> None:
    _, diary = run(
        [Ready(1)],
        [Ready(2)],
        [ReloadRequested()],
        [Ready(3)],
        [Exited(4, 1)],
        [StopRequested()],
        [Exited(id, 0) for id in (2, 3, 1)],
    )
    assert diary[5:10] == [
        "reload running",
        "template 3",
        "spawn 4 in 0",
        "reload failed",
        "stop 3 within 0",
    ]


def test_a_failed_import_is_the_exit_code(capfd: pytest.CaptureFixture[str]) -> None:
    failed = Failed(1, Stage.IMPORT, "no such module 'nope'")
    code, diary = run([failed, Exited(1, 3)])
    assert code == ExitCode.APP_IMPORT
    assert diary == ["template 1", "close"]
    assert "no such module" in capfd.readouterr().err, "the fleet's notes reach the log"


def test_deadlines_pass_between_facts() -> None:
    silence: list[list[Fact]] = [[] for _ in range(9)]
    code, diary = run(*silence, [], [Exited(1, -9), StopRequested()])
    killed = "kill 1: was not ready within 10 s (start_timeout)"
    assert diary == ["template 1", killed, "close"]
    assert code == ExitCode.OK
