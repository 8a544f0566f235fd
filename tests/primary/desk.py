"""An acceptor, workers that are only the receiving ends, and clients."""

import selectors
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from prefork.core.facts import Fact
from prefork.core.process import Role
from prefork.policy.schemes import SCHEMES
from prefork.primary.acceptor import Acceptor
from prefork.primary.arrivals import client_of
from prefork.primary.callers import Callers
from prefork.primary.children import Child
from prefork.primary.listeners import Listener, Listeners
from prefork.primary.rules import Rules
from prefork.settings.address import Address, Bind, TcpAddress
from prefork.settings.peers import Peers
from prefork.wire import channel, descriptors, handover
from prefork.wire.board import Board, Field
from prefork.wire.channel import Channel

LOOPBACK = TcpAddress("127.0.0.1", 0)


class Desk:
    def __init__(
        self, policy: str, *addresses: Bind, most: int = 0, is_asked: bool = False, proxy: str = ""
    ) -> None:
        """*is_asked*: nothing is listened on before a worker asks for it. *proxy*: says first whose
        each of its connections is."""
        scheme = SCHEMES[policy]
        self.board = Board(96)
        self.selector = selectors.DefaultSelector()
        declared = addresses if is_asked else addresses or [LOOPBACK]
        self.listeners = Listeners(declared, 512, scheme.accepts, is_spoken_first=bool(proxy))
        identify = Callers(Peers([proxy])).identify if proxy else client_of
        rules = Rules(scheme.policy, most, identify)
        self.acceptor = Acceptor(self.listeners, rules, self.board, self.selector)
        self.children: list[Child] = []
        self.clients: list[socket.socket] = []
        self.now = 0.0

    def spawn(self, slot: int | None = None, capacity: int = 10_000) -> Child:
        """Make a worker that is not in rotation yet."""
        id = len(self.children) + 1
        ours, theirs = channel.pair()
        theirs.close()
        sending, receiving = handover.pair()
        child = Child(
            id,
            Role.WORKER,
            1,
            line=id,
            channel=Channel(ours),
            slot=id - 1 if slot is None else slot,
            pid=100 + id,
            handover=sending,
            kept=receiving,
        )
        self.board.line(id)[Field.CAPACITY] = capacity
        self.children.append(child)
        self.own(child)
        return child

    def hire(self, slot: int | None = None, capacity: int = 10_000) -> Child:
        child = self.spawn(slot, capacity)
        self.acceptor.join(child, self.now)
        return child

    def own(self, child: Child) -> list[Listener]:
        """What the worker is to accept from itself."""
        assert child.slot is not None
        return self.acceptor.listeners_of(child.slot, self.now)

    def connect(self, count: int, origin: str = "", address: Address | None = None) -> None:
        """Connect to the first address, or to another, from *origin*."""
        target = address or self.listeners.bound[0]
        for _ in range(count):
            self.clients.append(connected(target, origin))

    def turn(self) -> None:
        """One turn of the primary's loop."""
        self.facts()

    def facts(self) -> list[Fact]:
        """Turn once, and tell what came of it."""
        told: list[Fact] = []
        for key, _ in self.selector.select(0):
            told += key.data(self.now)
        return [*told, *self.acceptor.check(self.now)]

    def serve(self, child: Child) -> int:
        """Take all that was handed over, and answer each."""
        return len(self.serve_addresses(child))

    def serve_addresses(self, child: Child) -> list[int]:
        """Do so, and tell to which address each came."""
        assert child.kept is not None
        served: list[int] = []
        while (batch := handover.receive(child.kept)) is not None:
            for descriptor in batch.descriptors:
                with socket.socket(fileno=descriptor) as connection:
                    connection.send(b"ok")
                served.append(batch.address)
        self.board.line(child.line)[Field.RECEIVED] += len(served)
        return served

    def hand_back(self, child: Child, address: int | None = None) -> int:
        """Have the worker take what it was handed over, and hand all of it back.

        *address*: to which it says it came; None: to which it did.
        """
        assert child.kept is not None
        count = 0
        while (batch := handover.receive(child.kept)) is not None:
            told = batch.address if address is None else address
            assert handover.send(child.kept, told, batch.descriptors, is_moved=True)
            descriptors.close_all(batch.descriptors)
            count += batch.sent
        line = self.board.line(child.line)
        line[Field.RECEIVED] += count
        line[Field.HANDED_BACK] += count
        return count

    def holds(self, child: Child, connections: int) -> None:
        """So many of what the worker took are open."""
        self.board.line(child.line)[Field.CONNECTIONS] = connections

    def accept(self, child: Child) -> int:
        """Accept all that waits at the worker's own listeners, and answer each."""
        return sum(map(accept_all, self.own(child)))

    def answered(self) -> int:
        """How many clients have an answer waiting."""
        count = 0
        for client in self.clients:
            client.setblocking(False)
            with suppress(BlockingIOError):
                count += client.recv(2) == b"ok"
        return count

    def close(self) -> None:
        self.acceptor.close(self.now)
        for child in self.children:
            child.close()
        for client in self.clients:
            client.close()
        self.selector.close()


def accept_all(listener: Listener) -> int:
    """Accept all that waits there, and answer each; how many they were."""
    count = 0
    with suppress(BlockingIOError):
        while True:
            connection, _ = listener.sock.accept()
            with connection:
                connection.send(b"ok")
            count += 1
    return count


def connected(target: Address, origin: str = "") -> socket.socket:
    if isinstance(target, TcpAddress):
        return socket.create_connection((target.host, target.port), source_address=(origin, 0))
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(target.path)
    return sock


@contextmanager
def desk_of(policy: str, *addresses: Bind, most: int = 0, proxy: str = "") -> Iterator[Desk]:
    it = Desk(policy, *addresses, most=most, proxy=proxy)
    try:
        yield it
    finally:
        it.close()
