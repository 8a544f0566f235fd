"""What every policy can do: choose a worker for each connection of a batch."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from prefork.policy.ledger import Account

Client = str | None  # its address, without the port; None: it has none, as on a Unix socket
Look = Callable[[Account], None]  # refreshes an account by what the worker says


class Policy(Protocol):
    """The workers in rotation, and whose turn it is."""

    def __len__(self) -> int: ...

    def join(self, account: Account) -> None: ...

    def leave(self, id: int) -> None:
        """Take the worker out, where it is in."""

    def deal(self, clients: Sequence[Client], look: Look) -> Iterator[Account]:
        """Take a credit of one worker for each client in turn; fewer, where no worker is open."""


def take(account: Account, look: Look) -> bool:
    """Take a credit, after a look; False: it is not open.

    Without that look (0.4 µs) it might be given as many as there was room for an hour ago.
    """
    look(account)
    if account.is_open:
        account.picked()
        return True
    return False
