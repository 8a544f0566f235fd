"""One worker leads, and never two: until it says that it has left the rotation, or is dead."""

from tests.core.fleets import plan

from prefork.core.facts import (
    Blocked,
    Exited,
    Fact,
    Forked,
    Leaving,
    LeftRotation,
    Ready,
    ReloadRequested,
    ScaleRequested,
    StopRequested,
    TimedOut,
    Verdict,
)
from prefork.core.fleet import Fleet
from prefork.core.orders import Appoint


def appointed(fleet: Fleet, *facts: Fact, now: float = 0.0) -> list[int]:
    """Tell the facts in turn; return who was appointed."""
    orders = [order for fact in facts for order in fleet.handle(fact, now)]
    return [order.id for order in orders if isinstance(order, Appoint)]


def serving(workers: int) -> Fleet:
    """A fleet whose worker 2 leads; 3, 4, … serve too."""
    fleet = Fleet(plan(workers))
    fleet.start(0.0)
    assert appointed(fleet, Forked(1, 101), Ready(1)) == []
    for id in range(2, 2 + workers):
        assert appointed(fleet, Forked(id, 100 + id), Ready(id)) == [2] * (id == 2)
    assert fleet.leader == 2
    return fleet


def test_whoever_serves_first_leads() -> None:
    fleet = Fleet(plan(3))
    fleet.start(0.0)
    appointed(fleet, Forked(1, 101), Ready(1))
    assert fleet.leader is None
    assert appointed(fleet, Forked(4, 104), Ready(4)) == [4]
    assert appointed(fleet, Forked(2, 102), Ready(2)) == []


def test_the_oldest_follows_a_leader_that_dies_at_once() -> None:
    fleet = serving(3)
    assert appointed(fleet, Exited(3, -9)) == []
    assert appointed(fleet, Exited(2, -9)) == [4]


def test_a_leader_that_is_told_to_go_leads_until_it_has_left() -> None:
    fleet = serving(2)
    assert appointed(fleet, ReloadRequested(), Ready(4)) == []
    fleet = serving(3)
    assert appointed(fleet, Leaving(2)) == []
    assert appointed(fleet, Forked(5, 105), Ready(5)) == []
    assert appointed(fleet, LeftRotation(2)) == [3]
    assert appointed(fleet, Exited(2, 0)) == []


def test_one_that_is_blocked_leads_until_it_is_dead() -> None:
    fleet = serving(2)
    assert appointed(fleet, Blocked(2, Verdict.LOOP, 2.0)) == []
    assert appointed(fleet, TimedOut(2, Verdict.LOOP, 30.0)) == []
    assert appointed(fleet, Exited(2, -6)) == [3]


def test_whoever_is_blocked_or_about_to_go_is_the_last_choice() -> None:
    fleet = serving(4)
    appointed(fleet, Blocked(3, Verdict.LOOP, 2.0), Leaving(4))
    assert appointed(fleet, Exited(2, -9)) == [5]
    assert appointed(fleet, Exited(5, -9)) == [4]
    assert appointed(fleet, Exited(4, 0)) == [3]
    assert appointed(fleet, Exited(3, -9)) == []
    assert fleet.leader is None


def test_a_leader_that_is_scaled_away_is_followed_by_one_that_stays() -> None:
    fleet = serving(2)
    appointed(fleet, Exited(2, -9), Forked(4, 104), Ready(4))
    assert fleet.leader == 3
    assert appointed(fleet, ScaleRequested(-1)) == []
    assert appointed(fleet, LeftRotation(3)) == [4]


def test_nobody_is_appointed_while_all_end() -> None:
    fleet = serving(2)
    assert appointed(fleet, StopRequested(), LeftRotation(2), Exited(2, 0)) == []
