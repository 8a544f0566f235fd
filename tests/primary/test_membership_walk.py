"""Random lives of workers that come, ask for addresses, let go of them, hand back and die.

Whatever they do, a connection is given to who serves its address, or waits for one that does.
"""

import random
from collections import defaultdict
from collections.abc import Callable

import pytest
from tests.primary.counter import Counter, counter_of

from prefork.policy.ledger import STUCK_AFTER
from prefork.primary.children import Child

ADDRESSES = 3
STEPS = 80
MOST_WORKERS = 6


class Walk:
    """A life, and what is known of it: when whom was whose."""

    def __init__(self, counter: Counter, seed: int) -> None:
        self._random = random.Random(seed)
        self.counter = counter
        self.alive: dict[int, Child] = {}
        self.serves: dict[int, set[int]] = defaultdict(set)  # by worker: indexes
        self.joined: set[int] = set()
        self.left: set[int] = set()  # told to go, and to hand back
        self.has_lane: set[int] = set()
        self.numbers: dict[int, int] = {}  # of the addresses, by index
        self.eligible: dict[int, set[int]] = defaultdict(set)  # by worker: since it took all it had
        self.actions: list[Callable[[], None]] = [
            *[self.come] * 6,
            *[self.listen] * 3,
            *[self.take] * 3,
            self.hire,
            self.join,
            self.unlisten,
            self.suspend,
            self.leave,
            self.hand_back,
            self.die,
            self.wait,
        ]

    def run(self) -> None:
        for _ in range(STEPS):
            self._random.choice(self.actions)()
            self.note()
            self.counter.turn()
        self.settle()

    def note(self) -> None:
        for id in self.joined:
            self.eligible[id] |= self.serves[id]

    def one(self, ids: set[int]) -> Child | None:
        return self.alive[self._random.choice(sorted(ids))] if ids else None

    # -- what may happen -----------------------------------------------------

    def hire(self) -> None:
        if len(self.alive) < MOST_WORKERS:
            capacity = self._random.choice([0, 1, 3, 10_000])
            child = self.counter.spawn(self._random.randrange(4), capacity)
            self.alive[child.id] = child

    def join(self) -> None:
        if child := self.one(self.alive.keys() - self.left - self.joined):
            self.counter.acceptor.join(child, self.counter.now)
            self.joined.add(child.id)

    def listen(self) -> None:
        index = self._random.randrange(ADDRESSES)
        others = {id for id in self.alive.keys() - self.left if index not in self.serves[id]}
        if child := self.one(others):
            self.numbers[index] = self.counter.listen(child, index=index)
            self.serves[child.id].add(index)

    def unlisten(self) -> None:
        if child := self.one({id for id in self.alive if self.serves[id]}):
            index = self._random.choice(sorted(self.serves[child.id]))
            self.counter.unlisten(child, self.numbers[index])
            self.serves[child.id].discard(index)
            self.has_lane.add(child.id)

    def suspend(self) -> None:
        if child := self.one(self.joined):
            self.counter.acceptor.suspend(child, self.counter.now)
            self.joined.discard(child.id)

    def leave(self) -> None:
        if child := self.one(self.joined):
            self.counter.acceptor.leave(child, self.counter.now, hands_back=True)
            self.joined.discard(child.id)
            self.left.add(child.id)
            self.has_lane.add(child.id)

    def die(self) -> None:
        if child := self.one({*self.alive}):
            self.counter.acceptor.bury(child, self.counter.now)
            for group in (self.joined, self.left, self.has_lane):
                group.discard(child.id)
            self.serves.pop(child.id, None)
            del self.alive[child.id]

    def come(self) -> None:
        if self.numbers:
            number = self.numbers[self._random.choice(sorted(self.numbers))]
            self.counter.come(number, self._random.randrange(1, 5))

    def take(self) -> None:
        if child := self.one({*self.alive}):
            self.served(child)

    def hand_back(self) -> None:
        if child := self.one(self.has_lane):
            self.counter.hand_back(child)
            self.eligible[child.id].clear()

    def wait(self) -> None:
        self.counter.now += self._random.choice([0.01, STUCK_AFTER])

    # -- what must be --------------------------------------------------------

    def served(self, child: Child) -> None:
        """It is given what comes to addresses that it served since it took the last."""
        indexes = {number: index for index, number in self.numbers.items()}
        taken = {indexes[each] for each in self.counter.serve_addresses(child)}
        assert taken <= self.eligible[child.id]
        self.eligible[child.id].clear()
        if child.id in self.joined:
            self.counter.accept_own(child)

    def settle(self) -> None:
        """With somebody for each address all are answered."""
        last = self.counter.hire(slot=7)
        self.alive[last.id] = last
        self.joined.add(last.id)
        for index in self.numbers:
            self.counter.listen(last, index=index)
            self.serves[last.id].add(index)
        for child in [*self.alive.values()]:
            if child is not last:  # what it has not taken is others'
                self.counter.acceptor.bury(child, self.counter.now)
        for _ in range(40):
            self.note()
            self.counter.now += STUCK_AFTER / 4
            self.counter.turn()
            self.served(last)
        assert self.counter.answered() == len(self.counter.clients)


@pytest.mark.parametrize("policy", ["rr", "least", "hash", "reuseport"])
@pytest.mark.parametrize("first", range(0, 40, 10))
def test_every_connection_is_given_to_who_serves_its_address_or_waits(
    policy: str, first: int
) -> None:
    for seed in range(first, first + 10):
        with counter_of(policy) as counter:
            Walk(counter, seed).run()
