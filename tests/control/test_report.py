from collections import defaultdict
from typing import Any

import pytest
from tests.core.fleets import serving, tell

from prefork.control.report import Counts, Identity, report
from prefork.control.stats import read
from prefork.core.facts import (
    Exited,
    Failed,
    Forked,
    Proven,
    Ready,
    ReloadRequested,
    ScaleRequested,
    Stage,
    Verdict,
)
from prefork.core.fleet import Fleet
from prefork.wire.board import COUNTERS, Board, Field, Line

EPOCH = 1_800_000_000.0  # Unix seconds at the monotonic clock's 0
IDENTITY = Identity(
    name="shop",
    pid=7,
    version="0.1.0",
    app="app:handler",
    policy="rr",
    bind=("127.0.0.1:8000",),
    started_at=1.0,
    epoch=EPOCH,
    pool=4,
)


def reported(fleet: Fleet, now: float = 11.0) -> dict[str, Any]:
    """What the fleet's instance answers; none of its processes has counted anything."""
    lines: dict[int, Line] = defaultdict(lambda: Board(1).line(0))
    retired = dict.fromkeys(COUNTERS, 5)
    return report(IDENTITY, fleet, Counts(lines, retired, exits=3), now)


def test_an_answer_is_what_commands_read() -> None:
    stats = read("shop", reported(serving(2)))
    assert (stats.name, stats.pid, stats.bind) == ("shop", 7, ["127.0.0.1:8000"])
    assert (stats.uptime, stats.workers_wanted, stats.state) == (10.0, 2, "serving")
    assert stats.pool_wanted == 4
    assert [(worker.slot, worker.pid, worker.state) for worker in stats.workers] == [
        *((0, 102, "serving"), (1, 103, "serving"))
    ]
    assert [template.pid for template in stats.templates] == [101]
    assert (stats.totals.requests, stats.totals.exits) == (5, 3)


def test_before_a_reload_there_is_one_generation() -> None:
    answer = reported(serving(2))
    assert answer["reload"] is None
    assert answer["generations"] == [
        {"generation": 1, "workers": 2, "serving": 2, "templates": 1, "pool": 0}
    ]


def test_generations_are_counted_by_what_lives_of_them() -> None:
    fleet = serving(2)
    tell(fleet, 2, ReloadRequested(), Forked(4, 104), Ready(4), Forked(5, 105), Ready(5))
    assert reported(fleet)["generations"] == [
        {"generation": 1, "workers": 2, "serving": 2, "templates": 1, "pool": 0},
        {"generation": 2, "workers": 1, "serving": 0, "templates": 1, "pool": 0},
    ]
    tell(fleet, 4, Proven(5))
    assert [each["serving"] for each in reported(fleet)["generations"]] == [1, 1]


def test_a_reload_is_told_in_wall_time() -> None:
    fleet = serving(2)
    tell(fleet, 2.5, ReloadRequested())
    running = {"state": "running", "reason": "", "generation": 2, "moved": 0, "slots": 2}
    running |= {"started": EPOCH + 2.5, "finished": None}
    assert reported(fleet)["reload"] == running
    tell(fleet, 3, Failed(4, Stage.IMPORT, "ValueError: 7", "Traceback …"), Exited(4, 3))
    failed = {"state": "failed", "reason": "ValueError: 7", "finished": EPOCH + 3}
    assert reported(fleet)["reload"] == running | failed
    assert reported(fleet)["generation"] == 1


def test_a_worker_that_drains_is_told_of_when_its_slot_is_gone() -> None:
    fleet = serving(2)
    tell(fleet, 2, ScaleRequested(-1))
    answer = reported(fleet)
    assert answer["workers_wanted"] == 1
    assert [(each["slot"], each["state"]) for each in answer["workers"]] == [
        *((0, "serving"), (1, "draining"))
    ]


@pytest.mark.parametrize(
    ("beat", "lag"), [(0, None), (10_900_000_000, 0.0), (9_000_000_000, 1750.0)]
)
def test_the_loops_lag_is_by_how_much_its_next_beat_is_late(beat: int, lag: float | None) -> None:
    line = Board(1).line(0)
    line[Field.BEAT] = beat
    line[Field.BEAT_EVERY] = 250_000_000
    counts = Counts({1: line, 2: line}, dict.fromkeys(COUNTERS, 0), exits=0)
    [worker] = report(IDENTITY, serving(1), counts, 11.0)["workers"]
    assert worker["loop_lag_ms"] == lag


def test_a_blocked_worker_is_told_with_the_verdict_and_counted() -> None:
    lines: dict[int, Line] = defaultdict(lambda: Board(1).line(0))
    counts = Counts(lines, dict.fromkeys(COUNTERS, 0), 3, (), {2: Verdict.LOOP}, 7, 1)
    stats = read("shop", report(IDENTITY, serving(2), counts, 11.0))
    assert [worker.blocked for worker in stats.workers] == ["loop", ""]
    assert (stats.totals.blocks, stats.totals.timeouts) == (7, 1)
