import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.pool import PoolFull
from prefork.pool.ledger import Ledger
from prefork.pool.pace import Pace


@given(st.lists(st.integers(-3, 3)))
def test_whose_turn_it_is_goes_by_priority_and_then_by_age(priorities: list[int]) -> None:
    ledger: Ledger[int] = Ledger(1000)
    for number, priority in enumerate(priorities):
        ledger.add(number, priority)
    taken = [ledger.take() for _ in priorities]
    assert taken == sorted(range(len(priorities)), key=lambda n: (-priorities[n], n))
    assert ledger.take() is None


def test_one_that_came_back_has_the_place_that_it_had() -> None:
    ledger: Ledger[str] = Ledger(10)
    for name in ("a", "b", "c"):
        ledger.add(name, 0)
    assert ledger.take() == "a"
    ledger.add("a", 0)
    assert [ledger.take() for _ in range(3)] == ["a", "b", "c"]


def test_one_that_has_ended_is_a_new_one_when_it_is_added_again() -> None:
    ledger: Ledger[str] = Ledger(10)
    ledger.add("a", 0)
    ledger.take()
    ledger.forget("a")
    ledger.add("b", 0)
    ledger.add("a", 0)
    assert [ledger.take(), ledger.take()] == ["b", "a"]


def test_what_was_removed_is_not_taken_and_leaves_room() -> None:
    ledger: Ledger[str] = Ledger(2)
    ledger.add("a", 0)
    ledger.add("b", 0)
    with pytest.raises(PoolFull, match="2 tasks wait already"):
        ledger.require_room(Pace(), 1)
    assert ledger.remove("a")
    assert not ledger.remove("a")
    ledger.require_room(Pace(), 1)
    assert len(ledger) == 1
    assert [ledger.take(), ledger.take()] == ["b", None]


def test_what_is_on_its_way_to_all_counts_as_one_that_waits() -> None:
    ledger: Ledger[str] = Ledger(2)
    ledger.add("a", 0)
    with ledger.announced(Pace(), 1, 0), pytest.raises(PoolFull, match="2 tasks wait already"):
        ledger.require_room(Pace(), 1)
    ledger.require_room(Pace(), 1)
    with pytest.raises(PoolFull), ledger.announced(Pace(), 1, beside=1):
        raise AssertionError("there was no room")
    ledger.require_room(Pace(), 1)
