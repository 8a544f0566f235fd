"""Credit, and who counts as stuck."""

from prefork.policy.ledger import STUCK_AFTER, WINDOW, Account


def give(one: Account, count: int, now: float) -> None:
    for _ in range(count):
        one.picked()
    if count:
        one.offered(count, now)


def account(*, sent: int = 0, now: float = 0.0) -> Account:
    one = Account(id=1, slot=0)
    give(one, sent, now)
    return one


def look(one: Account, *, received: int, beat: int = 1, room: int = 1000, now: float = 0.0) -> None:
    one.observe(received, beat, connections=received, room=room, now=now)


def test_credit_is_the_window_less_what_is_on_its_way() -> None:
    one = account(sent=10)
    look(one, received=4)
    assert one.credit == WINDOW - 6


def test_credit_is_no_more_than_the_room_that_the_worker_has() -> None:
    one = account(sent=10)
    look(one, received=10, room=3)
    assert one.credit == 3


def test_what_is_promised_counts_before_it_is_sent() -> None:
    one = account()
    for _ in range(5):
        one.picked()
    look(one, received=0)
    assert one.credit == WINDOW - 5
    one.refused(5)
    assert one.credit == 0
    look(one, received=0)
    assert one.credit == WINDOW


def test_a_worker_is_stuck_when_nothing_was_taken_for_a_while() -> None:
    one = account(sent=1, now=5.0)
    assert not one.judge(5.0 + STUCK_AFTER - 0.01)
    assert one.judge(5.0 + STUCK_AFTER)
    assert one.is_stuck
    assert not one.judge(6.0), "it is news once"


def test_a_worker_with_nothing_on_its_way_is_never_stuck() -> None:
    one = account(sent=3)
    look(one, received=3, now=0.1)
    assert not one.judge(99)


def test_every_connection_taken_starts_the_clock_again() -> None:
    one = account(sent=2, now=0.0)
    look(one, received=1, now=0.5)
    assert not one.judge(0.6)
    assert one.judge(0.51 + STUCK_AFTER)


def test_more_offers_do_not_put_the_verdict_off() -> None:
    one = account(sent=1, now=0.0)
    give(one, 1, 0.19)
    assert one.judge(STUCK_AFTER)


def test_the_clock_starts_when_the_first_connection_waits() -> None:
    one = account(sent=1, now=0.0)
    look(one, received=1)
    give(one, 1, 50.0)
    assert not one.judge(50.1)


def test_progress_or_a_beat_clears_the_verdict() -> None:
    for received, beat in ((1, 0), (0, 7)):
        one = account(sent=2)
        assert one.judge(1)
        look(one, received=received, beat=beat, now=1)
        assert not one.is_stuck


def test_what_is_taken_back_is_no_longer_on_its_way() -> None:
    one = account(sent=5)
    look(one, received=2, beat=0)
    one.taken_back(3)
    assert one.undelivered == 0
    assert one.credit == WINDOW


def test_load_is_what_is_open_on_its_way_and_promised() -> None:
    one = account(sent=10)
    one.picked()
    one.observe(received=4, beat=1, connections=3, room=1000, now=0)
    assert one.load == 3 + 6 + 1
    one.taken_back(6)
    assert one.load == 3 + 1


def test_a_connection_that_is_open_and_not_yet_received_is_counted_once() -> None:
    """The worker is looked at while it counts a batch of ten."""
    one = account(sent=20)
    one.observe(received=10, beat=1, connections=8, room=1000, now=0)
    one.observe(received=10, beat=1, connections=18, room=1000, now=0)
    assert one.load == 18
    one.observe(received=20, beat=1, connections=18, room=1000, now=0)
    assert one.load == 18


def test_a_worker_is_open_while_it_has_credit_and_makes_progress() -> None:
    one = account(sent=WINDOW)
    assert not one.is_open
    look(one, received=1)
    assert one.is_open
    assert one.judge(now=STUCK_AFTER)
    assert not one.is_open


def test_at_the_end_neither_window_nor_room_nor_a_refusal_counts() -> None:
    one = account(sent=WINDOW)
    one.unlimit()
    look(one, received=0, room=0)
    give(one, 1000, now=0)
    one.picked()
    one.refused(1)
    assert one.is_open


def test_at_the_end_nobody_is_late() -> None:
    one = account(sent=1)
    one.unlimit()
    assert not one.judge(99)
    assert one.is_open


# A listener of its own


def wait_there(one: Account, queued: int, *, accepted: int = 0, now: float = 0.0) -> None:
    one.observe_queue(queued, accepted, now)


def test_what_waits_at_its_own_listener_makes_it_late_as_well() -> None:
    one = account()
    wait_there(one, 1, now=5.0)
    wait_there(one, 3, now=5.1)
    assert not one.judge(5.0 + STUCK_AFTER - 0.01)
    assert one.judge(5.0 + STUCK_AFTER)
    assert not one.takes


def test_taking_from_its_listener_starts_the_clock_again_and_clears_the_verdict() -> None:
    one = account()
    wait_there(one, 2, now=5.0)
    wait_there(one, 1, accepted=1, now=5.1)
    assert not one.judge(5.0 + STUCK_AFTER)
    assert one.judge(5.1 + STUCK_AFTER)
    wait_there(one, 1, accepted=2, now=5.4)
    assert one.takes


def test_what_comes_by_either_way_does_not_put_the_verdict_off() -> None:
    one = account()
    wait_there(one, 1, now=5.0)
    give(one, 1, 5.1)
    assert one.judge(5.0 + STUCK_AFTER)
    other = account(sent=1, now=5.0)
    wait_there(other, 1, now=5.1)
    assert other.judge(5.0 + STUCK_AFTER)


def test_a_full_worker_takes_nothing_from_its_listener_and_is_not_stuck() -> None:
    one = account()
    look(one, received=0, room=0)
    wait_there(one, 7, now=5.0)
    assert not one.judge(99)
    assert not one.takes
    look(one, received=0, room=1)
    wait_there(one, 7, now=100.0)
    assert one.takes
    assert not one.judge(100.0)
    assert one.judge(100.0 + STUCK_AFTER)


def test_it_is_quiet_when_nothing_came_for_a_while() -> None:
    one = account()
    wait_there(one, 0, accepted=1, now=5.0)
    assert not one.is_quiet(5.1)
    assert one.is_quiet(5.0 + STUCK_AFTER)
    wait_there(one, 1, accepted=1, now=7.0)
    assert not one.is_quiet(99)
