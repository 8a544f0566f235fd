"""A recorded life is lived again by a fresh fleet; of an altered one it makes something else."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.chaos import timeline
from tests.chaos.recorded import Recorded
from tests.chaos.timeline import Timeline
from tests.core.fleets import plan

from prefork.core.facts import (
    Declined,
    Exited,
    Fact,
    Failed,
    Forked,
    Proven,
    Ready,
    ReloadRequested,
    ScaleRequested,
    Stage,
    StopRequested,
)

LIFE: list[Fact] = [
    *(Forked(1, 101), Ready(1), Forked(2, 102), Ready(2), Forked(3, 103), Ready(3)),
    *(Exited(2, -9), Forked(4, 104), Ready(4)),
    *(
        ReloadRequested(),
        Forked(5, 105),
        Failed(5, Stage.IMPORT, "broken", "Traceback"),
        Exited(5, 3),
    ),
    *(ReloadRequested(), Forked(6, 106), Declined(6, ("a thread",)), Exited(6, 0), Forked(7, 107)),
    *(Ready(7), Forked(8, 108), Ready(8), Proven(8), ScaleRequested(1), StopRequested()),
]


@pytest.fixture
def life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Timeline:
    file = tmp_path / "timeline"
    monkeypatch.setattr(Recorded, "path", str(file))
    fleet = Recorded(plan())
    fleet.start(0.0)
    for number, fact in enumerate(LIFE):
        fleet.handle(fact, 1.5 * number)
        fleet.tick(1.5 * number + 1.1)
    return timeline.read(file)


def test_what_was_recorded_is_read_as_it_was(life: Timeline) -> None:
    assert [fact for _, fact in life.facts()] == LIFE
    assert life.plan == plan()
    assert life.pids()[4] == 104
    assert life.exits()[2] == (9.0, -9)
    assert life.slots() | {2: 0, 3: 1, 4: 0} == life.slots()
    assert [order["id"] for _, order in life.orders("StartTemplate")] == [1, 5, 6, 7]


def test_a_fresh_fleet_that_is_told_the_same_orders_the_same(life: Timeline) -> None:
    assert len(life.told) == 2 * len(LIFE) + 1
    assert all(told.orders == orders for told, orders in timeline.replayed(life))


def test_a_fleet_that_is_told_something_else_orders_something_else(life: Timeline) -> None:
    kill = next(n for n, each in enumerate(life.told) if each.what == Exited(2, -9))
    life.told[kill] = replace(life.told[kill], what=Exited(3, -9))
    assert not all(told.orders == orders for told, orders in timeline.replayed(life))


def test_half_a_line_at_the_end_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "timeline"
    lines = timeline.header(plan()) + timeline.line(1.0, Ready(1), []) + b'[2.0, "Rea'
    file.write_bytes(lines)
    assert [str(told) for told in timeline.read(file).told] == ["1.000 Ready(id=1) -> nothing"]
