"""Thousands of random lives of a fleet; a failure prints the seed that replays it."""

import pytest
from tests.core.pools import PoolWorld
from tests.core.scripts import ScriptWorld
from tests.core.world import World, live

from prefork.core.orders import ReloadState
from prefork.core.process import TRANSITIONS, Phase, Step
from prefork.errors import ExitCode

LIVES = 2000
LIVES_OF_SCRIPTS = 600
LIVES_OF_POOLS = 1000


def test_any_life_ends_cleanly() -> None:
    for seed in range(LIVES):
        try:
            world = live(seed, World)
            assert len(world.finished) == 1, f"never finished: {world.fleet!r}"
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def test_any_life_of_a_scripts_workers_ends_cleanly() -> None:
    for seed in range(LIVES_OF_SCRIPTS):
        try:
            world = live(seed, ScriptWorld)
            assert len(world.finished) == 1, f"never finished: {world.fleet!r}"
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def test_any_life_of_a_fleet_with_pools_ends_cleanly() -> None:
    for seed in range(LIVES_OF_POOLS):
        try:
            world = live(seed, PoolWorld)
            assert len(world.finished) == 1, f"never finished: {world.fleet!r}"
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def test_lives_of_pools_differ_enough_to_mean_something() -> None:
    worlds = [live(seed, PoolWorld) for seed in range(300)]
    assert sum(world.recycled for world in worlds) > 10
    assert sum(world.dismissed for world in worlds) > 3  # idle ones
    assert sum(world.late_codes for world in worlds) > 5
    assert sum(world.refuted for world in worlds) > 5
    assert sum(world.acquitted for world in worlds) > 5
    assert sum(world.replaced_late for world in worlds) > 5
    assert sum(not world.plan.workers for world in worlds) > 20


def test_lives_of_scripts_differ_enough_to_mean_something() -> None:
    worlds = [live(seed, ScriptWorld) for seed in range(300)]
    assert sum(world.releases for world in worlds) > 30
    assert sum(world.is_over for world in worlds) > 10  # ended by a disconnect, not by a stop
    ends = [status.state for world in worlds for status in world.reloads]
    assert ends.count(ReloadState.SUCCEEDED) > 30
    assert ends.count(ReloadState.FAILED) > 10
    assert sum(world.given_up for world in worlds) > 10


ROWS = [pytest.param(row, id=f"{row[0].name}-{row[1].name}") for row in TRANSITIONS]
STAYING = [p for p, to in zip(ROWS, TRANSITIONS.values(), strict=True) if to is not Phase.GONE]


@pytest.mark.parametrize("row", ROWS)
def test_a_missing_transition_is_noticed(
    row: tuple[Phase, Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(TRANSITIONS, row)
    with pytest.raises(AssertionError, match="seed"):
        test_any_life_ends_cleanly()


@pytest.mark.parametrize("row", STAYING)
def test_a_wrong_transition_is_noticed(
    row: tuple[Phase, Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TRANSITIONS, row, Phase.GONE)
    with pytest.raises(AssertionError, match="seed"):
        test_any_life_ends_cleanly()


def test_the_same_seed_lives_the_same_life() -> None:
    first, second = live(7, World), live(7, World)
    assert (first.now, first.seen, first.finished) == (second.now, second.seen, second.finished)


def test_lives_differ_enough_to_mean_something() -> None:
    codes = {live(seed, World).finished[0] for seed in range(300)}
    assert codes >= {ExitCode.OK, ExitCode.CUT, ExitCode.APP_IMPORT, ExitCode.APP_START}


def test_some_lives_wait_for_code_and_end_well() -> None:
    worlds = [live(seed, World) for seed in range(300)]
    ends = [world.finished[0] for world in worlds if world.waited]
    assert len(ends) > 3
    assert set(ends) <= {ExitCode.OK, ExitCode.CUT}
