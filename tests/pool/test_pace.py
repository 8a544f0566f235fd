import time

from prefork.pool.pace import Pace

MILLI = 1_000_000  # nanoseconds


def paced(*milliseconds: int) -> Pace:
    """One that has seen tasks which took so long, and waited as long before."""
    pace = Pace()
    for each in milliseconds:
        now = time.monotonic_ns()
        pace.note(now - 2 * each * MILLI, now - each * MILLI)
    return pace


def test_without_experience_it_says_a_second() -> None:
    assert Pace().until_done(1000, 2) == 1
    assert Pace().lately() == (None, None)


def test_a_queue_takes_as_long_as_its_tasks_by_the_processes() -> None:
    pace = paced(*[200] * 100)
    assert pace.until_done(100, 4) in (5, 6)
    assert pace.until_done(0, 4) == 1
    assert pace.until_done(10**6, 1) == 60


def test_it_follows_what_tasks_take_now() -> None:
    assert paced(10_000, *[1000] * 100).until_done(10, 1) in (10, 11)


def test_it_says_how_long_tasks_waited_and_ran() -> None:
    pace = paced(*[10] * 98, 1000, 1000)
    wait, run = pace.lately()
    assert wait is not None
    assert run is not None
    assert pace.done == 100
    assert 9 < run.p50 < 11
    assert 9 < wait.p90 < 11
    assert 900 < run.p99 < 1100
    assert 900 < wait.p999 < 1100
