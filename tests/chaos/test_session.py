"""The real program in chaos; and three programs that lose connections, which must be found."""

import pytest
from tests.chaos.session import session

CROWD = {"clients": 24, "pause": 0.0}  # so that in each turn of a worker's loop somebody connects
TRIES = 3  # seeds: what a variant loses it loses in a window of a turn, which may be missed


def test_seven_seconds_of_chaos_have_no_finding() -> None:
    assert session(1, 7) == []


@pytest.mark.slow
def test_a_minute_of_chaos_has_no_finding() -> None:
    assert session(1, 60) == []


def is_found(variant: str, seconds: float, policy: str) -> bool:
    """Whether something is found, and it is that requests were lost."""
    for seed in range(2, 2 + TRIES):
        found = session(seed, seconds, variant, policy=policy, preload="on", **CROWD)
        if any("is not within" in line or "no death explains" in line for line in found):
            return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "policy"), [("asyncio", "shared"), ("own", "shared"), ("idle", "rr")]
)
def test_a_server_that_loses_connections_is_found(variant: str, policy: str) -> None:
    assert is_found(variant, 14, policy)


def test_a_server_that_closes_idle_connections_is_found_at_once() -> None:
    assert is_found("idle", 7, "rr")
