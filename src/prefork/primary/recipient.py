"""A worker as the acceptor sees it: its account, its line of the board, its hand-over."""

import os
import socket
from collections.abc import Sequence
from typing import Any, NamedTuple

from prefork.policy.dealing import Client
from prefork.policy.ledger import Account
from prefork.primary.children import Child
from prefork.primary.listeners import Listener
from prefork.wire import handover
from prefork.wire.board import Field, Line


class Connection(NamedTuple):
    """One that the kernel has accepted."""

    address: int  # number of the address that it came to
    descriptor: int
    client: Client


# As plain numbers: a look is worth 0.4 µs, and finding the members of an enum cost 0.6 more.
_RECEIVED, _BEAT = int(Field.RECEIVED), int(Field.BEAT)
_CAPACITY, _CONNECTIONS = int(Field.CAPACITY), int(Field.CONNECTIONS)
_ACCEPTED = int(Field.ACCEPTED)


class Recipient:
    def __init__(self, child: Child, line: Line, queues: Sequence[Listener] = ()) -> None:
        """*queues*: those that only workers of its slot take from."""
        self.child = child
        self._queues = queues
        self.account = Account(child.id, child.slot or 0)
        self._line = line
        self._kept = child.kept
        self.left = False  # something could not be taken back

    @property
    def has_queues(self) -> bool:
        return bool(self._queues)

    def look(self, now: float) -> None:
        """Bring the account up to what the worker wrote on the board."""
        line = self._line
        received = line[_RECEIVED]
        connections = line[_CONNECTIONS]  # in this order: the account relies on it
        self.account.observe(
            received,
            line[_BEAT],
            connections=connections,
            room=line[_CAPACITY] - connections,
            now=now,
        )
        if self._queues:
            accepted = line[_ACCEPTED]  # first: what it takes from now on still counts as waiting
            self.account.observe_queue(sum(each.queued() for each in self._queues), accepted, now)

    def send(self, address: int, connections: list[Connection], now: float) -> list[Connection]:
        """Hand over what came from one address; return what there was no room for."""
        assert self.child.handover is not None
        for start in range(0, len(connections), handover.MAX_BATCH):
            batch = connections[start : start + handover.MAX_BATCH]
            descriptors = [each.descriptor for each in batch]
            if not handover.send(self.child.handover, address, descriptors):
                left = connections[start:]
                self.account.refused(len(left))
                return left
            self.account.offered(len(descriptors), now)
            for descriptor in descriptors:
                os.close(descriptor)
        return []

    def take_back(self) -> list[Connection]:
        """Receive what the worker has not taken, and that a descriptor is free for."""
        assert self._kept is not None
        back: list[Connection] = []
        self.left = False
        try:
            while (batch := handover.receive(self._kept, is_scarce=True)) is not None:
                back += [Connection(batch.address, each, _peer(each)) for each in batch.descriptors]
                self.account.taken_back(batch.sent)
        except OSError:
            self.left = True
        return back

    def outlive(self) -> None:
        """Keep what is left beyond the worker's burial, until `close`."""
        self.child.kept = None

    def close(self) -> None:
        assert self._kept is not None
        self._kept.close()


def client_of(name: Any) -> Client:
    """Say who is at a socket's address, as accept(2) and getpeername(2) give it."""
    return name[0] if isinstance(name, tuple) else None


def _peer(descriptor: int) -> Client:
    sock = socket.socket(fileno=descriptor)
    try:
        return client_of(sock.getpeername())
    except OSError:
        return None  # gone meanwhile: whoever gets the connection will see its end
    finally:
        sock.detach()
