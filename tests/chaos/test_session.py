"""The real program in chaos; and three programs that lose connections, which must be found."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.chaos.schedule import Kind, schedule
from tests.chaos.session import lived_through, session

# What costs nobody anything, so that whatever is lost is the server's doing.
HARMLESS = (Kind.RELOAD, Kind.RELOAD, Kind.HANG_UP, Kind.MORE, Kind.FEWER, Kind.SEND_OFF)
DEADLY = (*HARMLESS, Kind.KILL_ALL)  # whose listeners are its workers' refuses connections then
CROWD = 16  # clients of each kind: so in each turn of a worker's loop somebody connects
TRIES = 5  # seeds: what a variant loses it loses within a turn of a loop, which is often missed


def test_seven_seconds_of_chaos_have_no_finding() -> None:
    assert session(1, 7) == []


@pytest.mark.slow
def test_a_minute_of_chaos_has_no_finding() -> None:
    assert session(1, 60) == []


def is_found(variant: str, seconds: float, policy: str, cards: Sequence[Kind] = HARMLESS) -> bool:
    """Whether something is found, and it is that requests were lost."""
    for seed in range(1, 1 + TRIES):
        rounds = schedule(seed, seconds, cards)
        rounds = [replace(r, policy=policy, preload="on", clients=CROWD, pause=0.0) for r in rounds]
        found = lived_through(rounds, f"{variant}, seed {seed}", variant)
        if any("is not within" in line or "no death explains" in line for line in found):
            return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "policy", "cards"),
    [
        pytest.param("asyncio", "shared", HARMLESS, marks=pytest.mark.promised),
        pytest.param("own", "shared", DEADLY, marks=pytest.mark.promised),
        ("idle", "rr", HARMLESS),
    ],
)
def test_a_server_that_loses_connections_is_found(
    variant: str, policy: str, cards: Sequence[Kind]
) -> None:
    assert is_found(variant, 14, policy, cards)


def test_a_server_that_closes_idle_connections_is_found_at_once() -> None:
    assert is_found("idle", 7, "rr")
