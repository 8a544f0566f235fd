from prefork.pool.pace import Pace

MILLI = 1_000_000  # nanoseconds


def test_without_experience_it_says_a_second() -> None:
    assert Pace().until_done(1000, 2) == 1


def test_a_queue_takes_as_long_as_its_tasks_by_the_processes() -> None:
    pace = Pace()
    for _ in range(100):
        pace.note(200 * MILLI)
    assert pace.until_done(100, 4) == 5
    assert pace.until_done(0, 4) == 1
    assert pace.until_done(10**6, 1) == 60


def test_it_follows_what_tasks_take_now() -> None:
    pace = Pace()
    pace.note(10_000 * MILLI)
    for _ in range(100):
        pace.note(1000 * MILLI)
    assert pace.until_done(10, 1) in (10, 11)
