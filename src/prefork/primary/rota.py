"""Who is in rotation, and which of them is given a connection."""

from collections.abc import Callable, Collection, Iterable

from prefork.policy.dealing import Look, Policy
from prefork.policy.ledger import Account
from prefork.primary.arrivals import Connection

Parcels = dict[tuple[int, bool], list[Connection]]  # by worker's id, and whether another had them
Dealt = tuple[Parcels, list[Connection]]  # and what is left


class Rota:
    """Most are dealt by the policy. What a worker has handed back is for the next in its slot.

    Not for whoever the policy says: that may drain next, and each would move again and again (1.0
    moves in a reload of 8 workers, against 1.7).
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._slots: dict[int, Account] = {}  # by slot; of several there the last to join

    def __len__(self) -> int:
        return len(self._policy)

    def join(self, account: Account) -> None:
        self._policy.join(account)
        self._slots[account.slot] = account

    def leave(self, id: int) -> None:
        """Take the worker out, where it is in."""
        self._policy.leave(id)
        self._slots = {slot: each for slot, each in self._slots.items() if each.id != id}

    def can_wait(self, slot: int, look: Look) -> bool:
        """Whether what was handed back in the slot had better wait for the one that inherits it."""
        account = self._slots.get(slot)
        if account is None or not account.is_inheriting:
            return False
        look(account)
        return account.is_inheriting

    def deal(self, connections: Iterable[Connection], look: Look) -> Dealt:
        """Take a credit for each; return what each worker is to be sent, and what is left."""
        parcels: Parcels = {}
        others: list[Connection] = []
        for each in connections:
            if each.slot is not None and (heir := self._heir(each.slot, look)):
                parcels.setdefault((heir.id, True), []).append(each)
            else:
                others.append(each)
        accounts = self._policy.deal([each.client for each in others], look)
        rest = iter(others)
        for account, each in zip(accounts, rest, strict=False):
            parcels.setdefault((account.id, each.slot is not None), []).append(each)
        return parcels, list(rest)

    def _heir(self, slot: int, look: Look) -> Account | None:
        account = self._slots.get(slot)
        if account is not None and not account.may_inherit:
            look(account)
        if account is None or not account.may_inherit:
            return None
        account.picked()
        return account


class Rotas:
    """One for each address: a worker is in those of the addresses that it serves."""

    def __init__(self, policy: Callable[[], Policy]) -> None:
        self._policy = policy
        self._by_address: dict[int, Rota] = {}  # those with anybody in

    def __contains__(self, address: int) -> bool:
        """Whether anybody is in rotation for it."""
        return address in self._by_address

    def __len__(self) -> int:
        """Of how many addresses that is so."""
        return len(self._by_address)

    def join(self, account: Account, addresses: Collection[int]) -> None:
        for each in addresses:
            if each not in self._by_address:
                self._by_address[each] = Rota(self._policy())
            self._by_address[each].join(account)

    def leave(self, id: int, addresses: Collection[int]) -> None:
        """Take the worker out of these, where it is in."""
        for each in addresses:
            if rota := self._by_address.get(each):
                rota.leave(id)
                if not len(rota):
                    del self._by_address[each]

    def can_wait(self, slot: int, look: Look) -> bool:
        """Whether what was handed back in the slot, of whichever address, had better wait."""
        return any(rota.can_wait(slot, look) for rota in self._by_address.values())

    def deal(self, address: int, connections: list[Connection], look: Look) -> Dealt:
        """Deal what came to one address to those who serve it."""
        rota = self._by_address.get(address)
        return ({}, connections) if rota is None else rota.deal(connections, look)
