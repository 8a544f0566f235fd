"""What is said of the answers' fields, beside the answers that an instance and a command make."""

from collections import defaultdict
from typing import Any

import pytest
from tests.core.fleets import serving, tell

from prefork.control import stats
from prefork.control.meaning import meanings
from prefork.control.progress import Progress, told
from prefork.control.report import Counts, Identity, report
from prefork.control.sample import with_usage
from prefork.core.facts import HubWanted, ReloadRequested
from prefork.core.process import Process, Role
from prefork.wire.board import COUNTERS, Board, Line

IDENTITY = Identity(
    name="shop",
    pid=7,
    version="0.1.0",
    app="app:handler",
    policy="rr",
    bind=("127.0.0.1:8000",),
    started_at=1.0,
    epoch=0.0,
)
PARTS: dict[str, type[Any]] = {  # by field of the answer that holds one, or a list of them
    "workers": stats.Worker,
    "templates": stats.Template,
    "pool": stats.Pooled,
    "tasks": stats.Tasks,
    "hubs": stats.Hub,
    "aides": stats.Aide,
    "generations": stats.Generation,
    "reload": stats.Reload,
    "totals": stats.Totals,
    "primary": stats.Primary,
    "memory": stats.Memory,
}


@pytest.fixture
def answer() -> dict[str, Any]:
    """What an instance that reloads says, and the command adds."""
    fleet = serving(2)
    tell(fleet, 10, ReloadRequested(), HubWanted())
    fleet.roster.processes[99] = Process(99, Role.POOL, 1, spawned_at=9, slot=0)
    lines: dict[int, Line] = defaultdict(lambda: Board(1).line(0))
    counts = Counts(lines, dict.fromkeys(COUNTERS, 0), exits=0, aides=[("watcher", 9, 1.5)])
    said = report(IDENTITY, fleet, counts, now=11)
    return with_usage(said, {})


def test_every_field_of_the_answer_is_described_and_every_described_one_is_answered(
    answer: dict[str, Any],
) -> None:
    assert answer.keys() == meanings(stats.Stats).keys()
    for name, kind in PARTS.items():
        parts = answer[name] if isinstance(answer[name], list) else [answer[name]]
        assert parts, name
        for part in parts:
            assert part.keys() == meanings(kind).keys(), name


def test_every_field_has_a_meaning() -> None:
    kinds: list[type[Any]] = [stats.Stats, *PARTS.values(), Progress]
    for kind in kinds:
        plain = {name for name, meaning in meanings(kind).items() if not meaning}
        assert plain <= ({"pid"} if kind is stats.Primary else set())


def test_every_part_that_is_an_object_is_among_those_that_are_looked_at(
    answer: dict[str, Any],
) -> None:
    objects = {name for name, value in answer.items() if isinstance(value, dict)}
    lists = {name for name, value in answer.items() if isinstance(value, list)} - {"bind"}
    assert objects | lists == PARTS.keys()


def test_every_field_of_a_reloads_progress_is_described() -> None:
    fleet = serving(2)
    tell(fleet, 10, ReloadRequested())
    assert fleet.reload is not None
    assert told(fleet.reload).keys() == meanings(Progress).keys()
