"""A worker as the acceptor sees it: its account, its line of the board, its hand-over."""

import socket
from collections.abc import Collection, Sequence

from prefork.errors import RemoteError
from prefork.policy.ledger import Account
from prefork.primary import arrivals
from prefork.primary.arrivals import Connection, Identify
from prefork.primary.children import Child
from prefork.primary.listeners import Listener
from prefork.wire import handover
from prefork.wire.board import Field, Line
from prefork.wire.descriptors import close_all


class Recipient:
    def __init__(
        self,
        child: Child,
        line: Line,
        addresses: Collection[int] = (),
        identify: Identify = arrivals.client_of,
    ) -> None:
        """*addresses*: the numbers of those that it serves from its beginning."""
        self.child = child
        self._identify = identify
        self.addresses = set(addresses)  # that it serves
        self._ever = set(addresses)  # that it serves, or has served
        self.queues: Sequence[Listener] = ()  # those that only workers of its slot take from
        self.account = Account(child.id, child.slot or 0)
        self._line = line
        self._kept = child.kept
        self._end = child.handover
        self.left = False  # something could not be taken back
        self.is_shut = False  # nothing can be handed to it any more, by its own doing
        self._returned = 0  # connections that it has handed back, and we have received

    @property
    def end(self) -> socket.socket:
        """Our end of its hand-over."""
        assert self._end is not None
        return self._end

    @property
    def load(self) -> int:
        """How many connections it has, will have, or has handed back and we have not; after a look.

        A worker counts what it hands back there before it counts it off; as with the account, what
        is read in this order is never too few.
        """
        return self.account.load + self._line[Field.HANDED_BACK] - self._returned

    def serve(self, address: int) -> None:
        """Count it among those that serve the address, from now on."""
        self.addresses.add(address)
        self._ever.add(address)

    @property
    def has_queues(self) -> bool:
        return bool(self.queues)

    def look(self, now: float) -> None:
        """Bring the account up to what the worker wrote on the board."""
        line = self._line
        received = line[Field.RECEIVED]
        connections = line[Field.CONNECTIONS]  # in this order: the account relies on it
        self.account.observe(
            received,
            line[Field.BEAT],
            connections=connections,
            room=line[Field.CAPACITY] - connections,
            now=now,
        )
        if self.queues:
            accepted = line[Field.ACCEPTED]  # first: what it takes from now on counts as waiting
            self.account.observe_queue(sum(each.queued() for each in self.queues), accepted, now)

    def send(self, address: int, connections: list[Connection], now: float) -> list[Connection]:
        """Hand over what came from one address, all of it new or none; return what had no room."""
        for start in range(0, len(connections), handover.MAX_BATCH):
            batch = connections[start : start + handover.MAX_BATCH]
            is_moved = batch[0].slot is not None
            descriptors = [each.descriptor for each in batch]
            try:
                has_room = handover.send(self.end, address, descriptors, is_moved=is_moved)
            except RemoteError:
                self.is_shut, has_room = True, False
            if not has_room:
                left = connections[start:]
                self.account.refused(len(left))
                return left
            self.account.offered(len(descriptors), now)
            close_all(descriptors)
        return []

    def take_back(self) -> list[Connection]:
        """Receive what the worker has not taken, and that a descriptor is free for."""
        assert self._kept is not None
        back: list[Connection] = []
        self.left = False
        try:
            while (batch := handover.receive(self._kept, is_scarce=True)) is not None:
                back += self._connections(batch, batch.is_moved)
                self.account.taken_back(batch.sent)
        except OSError:
            self.left = True
        except RemoteError:
            pass  # it has shut its end, so that nothing was left there
        return back

    def outlive(self) -> None:
        """Keep what is left beyond the worker's burial, until `close`."""
        self.child.kept = None

    def close(self) -> None:
        assert self._kept is not None
        self._kept.close()

    def receive_back(self) -> list[Connection]:
        """Receive one message of what the worker hands back; empty: there is none.

        Raises RemoteError where these aren't as many connections as it says, or of an address that
        it never served; OSError where no descriptor is free for all.
        """
        batch = handover.receive(self.end, is_scarce=True)
        if batch is None:
            return []
        self._returned += batch.sent
        try:
            if batch.address in self._ever and len(batch.descriptors) == batch.sent > 0:
                return self._connections(batch, is_moved=True)
        except OSError:
            pass  # it is no socket
        close_all(batch.descriptors)
        raise RemoteError("handed back what it was not given")

    def _connections(self, batch: handover.Batch, is_moved: bool) -> list[Connection]:
        slot = self.account.slot if is_moved else None
        return [
            Connection(batch.address, each, arrivals.recognise(each, self._identify), slot)
            for each in batch.descriptors
        ]
