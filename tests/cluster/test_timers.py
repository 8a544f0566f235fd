"""What is called when it is due, in order, unless it was cancelled."""

from functools import partial

import pytest

from prefork.cluster.timers import Timers


def test_what_is_due_is_called_in_order_and_the_rest_waits() -> None:
    called: list[str] = []
    timers = Timers(lambda timer: timer.callback())
    for due, name in ((2.0, "b"), (1.0, "a"), (2.0, "c"), (3.0, "d")):
        timers.add(due, partial(called.append, name))
    assert timers.next_check() == 1.0
    assert timers.check(0.5) == ()
    assert called == []
    timers.check(2.0)
    assert called == ["a", "b", "c"]
    assert timers.next_check() == 3.0
    assert len(timers) == 1


@pytest.mark.parametrize("due", ["nan", "inf", "-inf"])
def test_what_is_no_time_is_refused_for_the_loop_would_never_rest_or_end(due: str) -> None:
    timers = Timers(lambda timer: timer.callback())
    with pytest.raises(ValueError, match=f"must be finite, not {due}"):
        timers.add(float(due), list)
    assert timers.next_check() is None


def test_what_is_cancelled_is_neither_called_nor_waited_for() -> None:
    called: list[int] = []
    timers = Timers(lambda timer: timer.callback())
    first = timers.add(1.0, lambda: called.append(1))
    timers.add(2.0, lambda: called.append(2)).cancel()
    first.cancel()
    assert timers.next_check() is None
    assert not len(timers)
    timers.check(9.0)
    assert called == []


def test_a_callback_may_add_another_that_is_due() -> None:
    called: list[int] = []
    timers = Timers(lambda timer: timer.callback())
    timers.add(1.0, lambda: timers.add(1.0, lambda: called.append(2)))
    timers.check(1.0)
    assert called == [2]
