"""How long a replacement waits."""

import pytest

from prefork.core.restart import EarlyDeaths, ShortLives, delay


def test_no_death_costs_no_delay() -> None:
    assert delay(0, longest=30, seed=1) == 0


@pytest.mark.parametrize(("deaths", "nominal"), [(1, 0.1), (2, 0.2), (5, 1.6), (12, 30), (99, 30)])
def test_delays_double_up_to_the_longest_within_a_fifth(deaths: int, nominal: float) -> None:
    delays = [delay(deaths, longest=30, seed=seed) for seed in range(100)]
    assert all(0.8 * nominal <= each <= 1.2 * nominal for each in delays)
    assert max(delays) - min(delays) > 0.35 * nominal  # the seed does spread them


def test_workers_that_die_together_are_one_round() -> None:
    deaths = EarlyDeaths()
    for now in (1.0, 1.1, 1.2):
        deaths.note(spawned_at=0.5, now=now)
    assert deaths.rounds == 1
    deaths.note(spawned_at=1.3, now=1.4)
    assert deaths.rounds == 2


def test_the_first_that_was_ready_costs_no_delay() -> None:
    deaths = EarlyDeaths()
    deaths.note(spawned_at=0, now=1)
    assert deaths.delay(1, was_ready=True) == 0
    deaths.note(spawned_at=1, now=2)
    assert 0.08 <= deaths.delay(1, was_ready=True) <= 0.12
    assert 0.16 <= deaths.delay(1) <= 0.24


def test_something_ready_ends_the_early_deaths() -> None:
    deaths = EarlyDeaths()
    deaths.note(spawned_at=0, now=1)
    deaths.forget()
    assert deaths.delay(seed=3) == 0


def test_the_first_short_life_costs_no_delay_and_a_long_one_ends_the_row() -> None:
    lives = ShortLives()
    lives.note(0.2, min_uptime=1)
    assert lives.delay(1, outage=False) == 0
    lives.note(0.2, min_uptime=1)
    assert 0.08 <= lives.delay(1, outage=False) <= 0.12
    lives.note(5, min_uptime=1)
    assert lives.delay(1, outage=False) == 0


def test_short_lives_wait_at_most_five_seconds_and_a_tenth_in_an_outage() -> None:
    lives = ShortLives()
    for _ in range(20):
        lives.note(0.2, min_uptime=1)
    assert 4 <= lives.delay(1, outage=False) <= 6
    assert lives.delay(1, outage=True) == 0.1
