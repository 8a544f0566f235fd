"""Round robin: each worker in turn, in the order of their slots."""

from collections.abc import Iterator, Sequence

from prefork.policy.dealing import Client, Look, take
from prefork.policy.ledger import Account


class Rotation:
    """A worker that joins or leaves doesn't disturb the turn."""

    def __init__(self) -> None:
        self._members: list[Account] = []  # by slot
        self._next = 0  # index of the one whose turn it is

    def __len__(self) -> int:
        return len(self._members)

    def join(self, account: Account) -> None:
        place = sum(member.slot <= account.slot for member in self._members)
        self._members.insert(place, account)
        if place < self._next:
            self._next += 1

    def leave(self, id: int) -> None:
        for place, member in enumerate(self._members):
            if member.id == id:
                del self._members[place]
                if place < self._next:
                    self._next -= 1
                return

    def deal(self, clients: Sequence[Client], look: Look) -> Iterator[Account]:
        """Give to each in turn; whoever has no room is passed over."""
        for _ in clients:
            account = self.pick(look)
            if account is None:
                return
            yield account

    def pick(self, look: Look) -> Account | None:
        """Take one credit of the next worker that has any; None: nobody has."""
        members = self._members
        for _ in range(len(members)):
            if self._next >= len(members):
                self._next = 0
            account = members[self._next]
            self._next += 1
            if take(account, look):
                return account
        return None
