from itertools import product

import pytest
from tests.chaos.schedule import CALM, LONG, PRELOADS, QUIET, Kind, schedule
from tests.support.policies import POLICIES

SECONDS = 600


def test_a_seed_draws_the_same_schedule_again_and_another_seed_another() -> None:
    assert schedule(1, SECONDS) == schedule(1, SECONDS) != schedule(2, SECONDS)


@pytest.mark.parametrize("seed", range(20))
def test_a_long_session_has_every_fault_every_policy_both_preloads_and_both_ends(seed: int) -> None:
    rounds = schedule(seed, SECONDS)
    assert {fault.kind for round in rounds for fault in round.faults} == set(Kind)
    assert {(r.policy, r.preload) for r in rounds} == set(product(POLICIES, PRELOADS))
    assert {round.end for round in rounds} == {"stop", "kill"}


@pytest.mark.parametrize("seed", range(20))
def test_a_minute_has_nearly_every_fault(seed: int) -> None:
    kinds = {fault.kind for round in schedule(seed, 60) for fault in round.faults}
    assert len(set(Kind) - kinds) <= 3


@pytest.mark.parametrize("seconds", [8, 20, 60, SECONDS])
def test_rounds_fill_the_time_and_end_in_quiet(seconds: float) -> None:
    rounds = schedule(3, seconds)
    assert sum(round.seconds for round in rounds) == pytest.approx(seconds)
    for round in rounds:
        times = [fault.at for fault in round.faults]
        assert times == sorted(times)
        assert times[0] >= CALM
        assert times[-1] <= round.seconds - QUIET
        assert all(fault.lasts <= LONG[1] for fault in round.faults)
