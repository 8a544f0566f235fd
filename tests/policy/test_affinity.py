"""Affinity: an address keeps its slot, the spread is even, and only a dead slot's move."""

from collections import Counter
from collections.abc import Callable

import pytest

from prefork.policy.affinity import Affinity
from prefork.policy.ledger import WINDOW, Account

SHAPES: dict[str, Callable[[int], str]] = {
    "10.0.x.y": lambda n: f"10.0.{n // 250}.{1 + n % 250}",
    "127.0.x.y": lambda n: f"127.0.{1 + n // 250 % 240}.{1 + n % 250}",
    "one /24 after another": lambda n: f"192.168.{n % 40}.{n // 40}",
    "IPv6 hosts of one net": lambda n: f"2001:db8::{n:x}",
    "IPv6 nets": lambda n: f"2001:db8:{n:x}::1",
    "IPv6, random looking": lambda n: f"fe80::{n * 40503 % 65536:x}:{n * 2654435761 % 2**32:x}",
}
MANY = 8000
CLIENTS = [f"10.1.{n // 250}.{1 + n % 250}" for n in range(2000)]


def affinity(slots: int) -> Affinity:
    it = Affinity()
    for slot in range(slots):
        it.join(Account(id=10 + slot, slot=slot))
    return it


def renew(account: Account) -> None:
    """The worker has taken everything, and closed it."""
    account.observe(account.received, 1, connections=0, room=10_000, now=0)


def ids(it: Affinity, clients: list[str]) -> dict[str, int]:
    """By client, which worker gets its connection when nothing else is on the way."""
    chosen = {}
    for client in clients:
        (account,) = it.deal([client], renew)
        account.promised, account.credit = 0, WINDOW
        chosen[client] = account.id
    return chosen


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("slots", [2, 3, 8, 16])
def test_addresses_are_spread_evenly(shape: str, slots: int) -> None:
    clients = [SHAPES[shape](n) for n in range(MANY)]
    assert len(set(clients)) == MANY
    counts = Counter(ids(affinity(slots), clients).values())
    share = MANY / slots
    deviation = (share * (1 - 1 / slots)) ** 0.5  # of a fair die
    assert all(abs(counts[10 + slot] - share) < 4 * deviation for slot in range(slots))


def test_the_choice_is_the_same_in_every_process() -> None:
    """Nothing seeded goes into it: figures that were written down once."""
    it = affinity(4)
    clients = ["127.0.0.1", "10.0.0.1", "10.0.0.2", "2001:db8::1", "::1"]
    assert list(ids(it, clients).values()) == [12, 10, 13, 10, 10]


def test_when_a_worker_dies_only_its_addresses_move_to_all_others_and_they_return() -> None:
    it = affinity(5)
    before = ids(it, CLIENTS)
    it.leave(12)
    without = ids(it, CLIENTS)
    moved = {client for client in CLIENTS if without[client] != before[client]}
    assert moved == {client for client in CLIENTS if before[client] == 12}
    assert {without[client] for client in moved} == {10, 11, 13, 14}
    it.join(Account(id=99, slot=2))
    after = ids(it, CLIENTS)
    assert after == {client: 99 if id == 12 else id for client, id in before.items()}


def test_a_slot_that_is_added_takes_its_share_of_each_other_and_nothing_else_moves() -> None:
    before = ids(affinity(4), CLIENTS)
    after = ids(affinity(5), CLIENTS)
    moved = [client for client in CLIENTS if after[client] != before[client]]
    assert {after[client] for client in moved} == {14}
    assert len(moved) / len(CLIENTS) == pytest.approx(1 / 5, abs=0.04)


def test_while_an_old_and_a_new_worker_share_a_slot_one_of_them_gets_its_addresses() -> None:
    it = affinity(3)
    before = ids(it, CLIENTS)
    it.join(Account(id=50, slot=1))
    expected = {client: 50 if id == 11 else id for client, id in before.items()}
    assert ids(it, CLIENTS) == expected
    it.leave(11)
    assert ids(it, CLIENTS) == expected


def test_when_the_new_worker_dies_first_the_old_one_has_its_addresses_again() -> None:
    it = affinity(3)
    before = ids(it, CLIENTS)
    it.join(Account(id=50, slot=1))
    it.leave(50)
    assert ids(it, CLIENTS) == before
    assert len(it) == 3


@pytest.mark.parametrize("reason", ["full", "stuck"])
def test_while_its_worker_is_not_open_an_address_goes_to_the_one_that_would_be_next(
    reason: str,
) -> None:
    it = affinity(4)
    (client,) = CLIENTS[:1]
    (owner,) = it.deal([client], renew)
    owner.credit, owner.is_stuck = (0, False) if reason == "full" else (WINDOW, True)
    (next_one,) = it.deal([client], lambda _: None)
    assert next_one is not owner
    it.leave(owner.id)
    (heir,) = it.deal([client], lambda _: None)
    assert heir is next_one


def test_a_worker_without_credit_is_looked_at_before_it_is_passed_over() -> None:
    it = affinity(4)
    (owner,) = it.deal(CLIENTS[:1], renew)
    owner.credit = owner.promised = 0
    assert [account.id for account in it.deal(CLIENTS[:1], renew)] == [owner.id]


def test_who_has_no_address_is_served_in_turn() -> None:
    it = affinity(3)
    assert [account.slot for account in it.deal([None] * 6, renew)] == [0, 1, 2] * 2


def test_a_batch_ends_where_nobody_is_open() -> None:
    it = affinity(2)
    clients = [CLIENTS[0]] * (2 * WINDOW + 5)
    assert len(list(it.deal(clients, lambda _: None))) == 2 * WINDOW
    assert list(affinity(0).deal(["10.0.0.1", None], renew)) == []


def test_leaving_twice_is_harmless() -> None:
    it = affinity(1)
    it.leave(10)
    it.leave(10)
    assert len(it) == 0
