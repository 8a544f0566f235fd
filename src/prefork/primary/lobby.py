"""Connections that no worker has room for yet, by the address that they came to."""

from collections.abc import Iterable, Iterator

from prefork.primary import arrivals
from prefork.primary.arrivals import Connection


class Lobby:
    """By address, so that what waits for one keeps nobody from another."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[Connection]] = {}  # by number of the address; none is empty

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __iter__(self) -> Iterator[int]:
        """The addresses for which something waits."""
        return iter(list(self._waiting))

    def __contains__(self, address: int) -> bool:
        return address in self._waiting

    def add(self, connections: Iterable[Connection]) -> None:
        for each in connections:
            self._waiting.setdefault(each.address, []).append(each)

    def take(self, address: int) -> list[Connection]:
        """Give what waits there."""
        return self._waiting.pop(address, [])

    def turn_away(self, address: int) -> None:
        """Nobody is left who could serve it: say so."""
        arrivals.turn_away(self.take(address))
