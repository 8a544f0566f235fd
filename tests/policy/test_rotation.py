"""Round robin, with members that come, go and are full."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from prefork.policy.ledger import WINDOW, Account
from prefork.policy.rotation import Rotation


def rotation(slots: int) -> Rotation:
    it = Rotation()
    for slot in range(slots):
        it.join(Account(id=10 + slot, slot=slot))
    return it


def nothing_new(_: Account) -> None:
    """The worker has taken nothing since."""


def picks(it: Rotation, count: int) -> list[int]:
    return [account.slot for _ in range(count) if (account := it.pick(nothing_new))]


def test_each_slot_in_turn() -> None:
    assert picks(rotation(3), 7) == [0, 1, 2, 0, 1, 2, 0]


@given(slots=st.integers(1, 9), rounds=st.integers(1, WINDOW))
def test_the_spread_is_exact_while_all_have_credit(slots: int, rounds: int) -> None:
    counts = Counter(picks(rotation(slots), slots * rounds))
    assert set(counts.values()) == {rounds}


def test_a_member_without_credit_is_passed_over() -> None:
    it = rotation(2)
    assert len(picks(it, 2 * WINDOW + 5)) == 2 * WINDOW
    assert it.pick(nothing_new) is None


def test_a_member_without_credit_is_looked_at_before_it_is_passed_over() -> None:
    it = rotation(1)
    picks(it, WINDOW)

    def it_took_all(account: Account) -> None:
        account.credit = WINDOW

    assert it.pick(it_took_all) is not None


def test_a_stuck_member_is_passed_over_whatever_its_credit() -> None:
    it = rotation(2)
    stuck = it.pick(nothing_new)
    assert stuck is not None
    stuck.is_stuck = True
    assert picks(it, 3) == [1, 1, 1]


def test_a_replacement_takes_the_turn_of_its_slot() -> None:
    it = rotation(3)
    picks(it, 1)  # slot 1 is next
    it.leave(11)
    it.join(Account(id=20, slot=1))
    assert picks(it, 3) == [1, 2, 0]


def test_one_that_leaves_before_its_turn_does_not_cost_another_its_own() -> None:
    it = rotation(3)
    picks(it, 2)  # slot 2 is next
    it.leave(10)
    assert picks(it, 2) == [2, 1]


def test_leaving_twice_and_picking_from_nobody_are_harmless() -> None:
    it = rotation(1)
    it.leave(10)
    it.leave(10)
    assert it.pick(nothing_new) is None


def test_a_batch_is_dealt_in_turn_until_nobody_has_room() -> None:
    it = rotation(2)
    dealt = [account.slot for account in it.deal([None] * 100, nothing_new)]
    assert dealt == [0, 1] * WINDOW
