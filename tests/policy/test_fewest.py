"""Least connections: who has fewest gets the next, and equals take turns."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from prefork.policy.fewest import Fewest
from prefork.policy.ledger import WINDOW, Account

PLENTY = 10_000


class Workers:
    """Workers that take at once what they are given; the test opens and closes connections."""

    def __init__(self, opened: list[int]) -> None:
        self.policy = Fewest()
        self.opened = dict(enumerate(opened))  # by slot
        self.rooms = dict.fromkeys(self.opened, PLENTY)
        self.looks = 0
        for slot, count in self.opened.items():
            self.policy.join(Account(id=10 + slot, slot=slot, sent=count, received=count))

    def look(self, account: Account) -> None:
        self.looks += 1
        slot = account.slot
        has, room = self.opened[slot], self.rooms[slot]
        account.observe(account.received, 1, connections=has, room=room, now=0)

    def serve(self, count: int) -> list[int]:
        """Deal a batch, open what was dealt; return the slots."""
        slots = []
        for account in self.policy.deal([None] * count, self.look):
            account.offered(1, now=0)
            self.opened[account.slot] += 1
            account.received += 1
            slots.append(account.slot)
        return slots


def test_a_worker_with_50_connections_gets_none_until_the_others_have_as_many() -> None:
    workers = Workers([50, 0, 0, 0])
    first = [slot for _ in range(15) for slot in workers.serve(10)]
    assert Counter(first) == {1: 50, 2: 50, 3: 50}
    assert Counter(workers.serve(8)) == {0: 2, 1: 2, 2: 2, 3: 2}


def test_equals_take_turns_across_batches() -> None:
    workers = Workers([0, 0, 0])
    slots = []
    for _ in range(9):
        slots += workers.serve(1)
        workers.opened = dict.fromkeys(workers.opened, 0)
    assert slots == [0, 1, 2] * 3


def test_what_was_closed_since_the_last_batch_counts() -> None:
    workers = Workers([0, 0])
    workers.serve(20)
    workers.opened[1] = 2
    assert workers.serve(6) == [1] * 6


def test_what_is_on_its_way_counts() -> None:
    workers = Workers([0, 0])
    slow, quick = workers.policy.deal([None] * 2, workers.look)
    for each in (slow, quick):
        each.offered(1, now=0)
    quick.received = 1  # and closed again; the other has taken nothing
    assert workers.serve(1) == [quick.slot]


def test_full_and_stuck_workers_are_passed_over_however_few_they_have() -> None:
    workers = Workers([9, 0, 0])
    workers.rooms[1] = 0
    first = next(workers.policy.deal([None], workers.look))
    assert first.slot == 2
    first.offered(1, now=0)
    first.is_stuck = True
    account = next(workers.policy.deal([None], lambda _: None))
    assert account.slot == 0


def test_a_batch_ends_where_every_window_is_used() -> None:
    policy = Fewest()
    for slot in range(2):
        policy.join(Account(id=slot, slot=slot))
    dealt = list(policy.deal([None] * 100, lambda _: None))
    assert Counter(account.slot for account in dealt) == {0: WINDOW, 1: WINDOW}


def test_a_batch_costs_one_look_at_each_worker() -> None:
    workers = Workers([0] * 64)
    workers.serve(32)
    assert workers.looks == 64


def test_leaving_twice_and_dealing_by_nobody_are_harmless() -> None:
    workers = Workers([0])
    workers.policy.leave(10)
    workers.policy.leave(10)
    assert len(workers.policy) == 0
    assert workers.serve(3) == []


@given(opened=st.lists(st.integers(0, 40), min_size=1, max_size=9), count=st.integers(0, 200))
def test_no_worker_ends_with_two_more_than_another_that_was_given_less(
    opened: list[int], count: int
) -> None:
    workers = Workers(list(opened))
    given_to = Counter(slot for _ in range(count) for slot in workers.serve(1))
    fewest = min(workers.opened.values())
    assert all(workers.opened[slot] <= fewest + 1 for slot in given_to)
    assert given_to.total() == count
