"""What becomes of a worker whose event loop doesn't turn, by what it was doing."""

from tests.core.fleets import serving, tell

from prefork.core.blocking import ABORT_GRACE
from prefork.core.facts import (
    Blocked,
    Exited,
    Forked,
    Leaving,
    LeftRotation,
    Proven,
    QuitRequested,
    Ready,
    Recovered,
    ReloadRequested,
    ScaleRequested,
    StopRequested,
    TimedOut,
    Verdict,
)
from prefork.core.fleet import Fleet
from prefork.core.orders import (
    Abort,
    Admit,
    AskToStop,
    Kill,
    Order,
    ReloadState,
    Resume,
    Spawn,
    Suspend,
)
from prefork.core.process import Phase
from prefork.core.removal import KILL_GRACE

WORKER = 2  # of slot 0, as `fleets.serving` numbers them
REASON = "its event loop was blocked for 30 s (worker_timeout)"


def blocked(id: int = WORKER) -> Blocked:
    return Blocked(id, Verdict.LOOP, 2.0)


def timed_out(id: int = WORKER) -> TimedOut:
    return TimedOut(id, Verdict.LOOP, 30.0)


def said(orders: list[Order], *kinds: type) -> list[Order]:
    return [order for order in orders if isinstance(order, kinds)]


def test_it_leaves_rotation_and_comes_back_when_it_turns_again() -> None:
    fleet = serving()
    assert tell(fleet, 5, blocked()) == [Suspend(WORKER)]
    assert fleet.state == "degraded"
    assert tell(fleet, 8, Recovered(WORKER, 5.0)) == [Resume(WORKER)]
    assert fleet.state == "serving"


def test_at_its_timeout_it_is_aborted_then_killed_and_replaced_at_once() -> None:
    fleet = serving()
    tell(fleet, 5, blocked())
    orders = tell(fleet, 33, timed_out())
    assert said(orders, Abort) == [Abort(WORKER, REASON)]
    assert fleet.next_deadline() == 33 + ABORT_GRACE
    assert fleet.tick(33 + ABORT_GRACE) == [Kill(WORKER)]
    assert tell(fleet, 39, Exited(WORKER, -9)) == [Spawn(4, 0, 1, template=1)]


def test_where_the_signal_is_enough_nothing_is_killed() -> None:
    fleet = serving()
    tell(fleet, 33, blocked(), timed_out())
    assert tell(fleet, 33, Exited(WORKER, -6)) == [Spawn(4, 0, 1, template=1)]


def test_all_workers_at_once_are_replaced_without_delay() -> None:
    fleet = serving(4)
    tell(fleet, 33, *(fact for id in range(2, 6) for fact in (blocked(id), timed_out(id))))
    orders = tell(fleet, 34, *(Exited(id, -6) for id in range(2, 6)))
    assert [order.slot for order in orders if isinstance(order, Spawn)] == [0, 1, 2, 3]


def test_one_that_drains_is_left_to_its_deadline() -> None:
    fleet = serving()
    tell(fleet, 5, StopRequested())
    assert tell(fleet, 6, blocked(), timed_out(), Recovered(WORKER, 3.0)) == []
    assert Kill(WORKER) in fleet.tick(35 + KILL_GRACE)


def test_one_that_was_aborted_is_killed_sooner_where_the_stop_says_so() -> None:
    fleet = serving()
    tell(fleet, 33, blocked(), timed_out())
    assert AskToStop(WORKER, 0.0) in tell(fleet, 34, QuitRequested())
    assert fleet.next_deadline() == 34 + KILL_GRACE


def test_a_stop_does_not_prolong_what_is_left_of_one_that_was_aborted() -> None:
    fleet = serving()
    tell(fleet, 33, blocked(), timed_out())
    tell(fleet, 34, StopRequested())
    assert Kill(WORKER) in fleet.tick(33 + ABORT_GRACE)


def test_what_one_that_was_aborted_still_says_costs_it_nothing() -> None:
    fleet = serving()
    tell(fleet, 33, blocked(), timed_out())
    words = (Leaving(WORKER), Proven(WORKER), LeftRotation(WORKER), Recovered(WORKER, 30.0))
    assert tell(fleet, 33.1, *words) == []
    assert fleet.roster.processes[WORKER].phase is Phase.ABORTED


def test_one_that_waits_for_its_successor_is_suspended_and_aborted_too() -> None:
    fleet = serving()
    tell(fleet, 5, Leaving(WORKER))
    assert tell(fleet, 8, blocked()) == [Suspend(WORKER)]
    assert said(tell(fleet, 33, timed_out()), Abort) == [Abort(WORKER, REASON)]


def test_a_slot_that_is_taken_away_takes_its_aborted_worker_along() -> None:
    fleet = serving()
    tell(fleet, 33, blocked(3), timed_out(3))
    assert said(tell(fleet, 33, ScaleRequested(-1)), AskToStop) == [AskToStop(3, 4.75)]
    assert tell(fleet, 34, Exited(3, -6)) == []


def reloading() -> Fleet:
    """Its canary, 5, is on trial."""
    fleet = serving()
    tell(fleet, 5, ReloadRequested(), Forked(4, 104), Ready(4), Forked(5, 105), Ready(5))
    return fleet


def test_a_canary_that_is_blocked_for_too_long_fails_the_reload_and_says_why() -> None:
    fleet = reloading()
    assert tell(fleet, 7, blocked(5)) == [], "it is in no rotation"
    assert said(tell(fleet, 35, timed_out(5)), Abort) == [Abort(5, REASON)]
    tell(fleet, 35, Exited(5, -6))
    assert fleet.reload is not None
    assert fleet.reload.state is ReloadState.FAILED
    assert fleet.reload.reason == f"worker 0 was aborted: {REASON}"


def test_one_that_was_aborted_and_does_not_end_keeps_its_reason() -> None:
    fleet = reloading()
    tell(fleet, 35, blocked(5), timed_out(5))
    fleet.tick(35 + ABORT_GRACE)
    tell(fleet, 41, Exited(5, -9))
    assert fleet.reload is not None
    assert REASON in fleet.reload.reason


def test_a_reload_replaces_a_worker_that_is_blocked() -> None:
    fleet = reloading()
    tell(fleet, 6, blocked(WORKER))
    orders = tell(fleet, 6, Proven(5))
    assert orders[:2] == [Admit(5), AskToStop(WORKER, 30, hands_back=True)]
    assert Spawn(6, 1, 2, template=4) in orders


def test_who_is_blocked_when_it_is_admitted_is_suspended_at_once() -> None:
    fleet = reloading()
    tell(fleet, 6, blocked(5), Exited(WORKER, -9))
    orders = tell(fleet, 6, Exited(3, -9))
    assert orders[:2] == [Admit(5), Suspend(5)]


def test_who_is_gone_already_is_no_news() -> None:
    facts = (blocked(9), Recovered(9, 3.0), timed_out(9))
    assert tell(serving(), 5, *facts) == []
