"""What carries the bus in a test: each engine with the real process behind it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pytest
from tests.support import brokers
from tests.support.brokers import Server
from tests.support.hub import Hub

from prefork.bus.engine import Engine, Identity, Receiver
from prefork.bus.engines import choice
from prefork.bus.engines.local import Local, Take


class Network(Protocol):
    """One hub, or one broker."""

    def engine(self, identity: Identity, receiver: Receiver) -> Engine:
        """Make the engine of one member."""

    def stop(self) -> None:
        """Kill it."""

    def restart(self) -> None:
        """Kill it, and start another in its place."""


class LocalNetwork:
    """As a primary does, it gives a line to everybody who wanted one, whatever hub there is."""

    def __init__(self) -> None:
        self._hub: Hub | None = Hub()
        self._takers: dict[str, Take] = {}  # by name

    def engine(self, identity: Identity, receiver: Receiver) -> Engine:
        def want(take: Take) -> None:
            self._takers[identity.name] = take
            if self._hub is not None:
                take(self._hub.attach(identity.name))

        return Local(identity, receiver, want)

    @property
    def pid(self) -> int:
        """The hub's."""
        assert self._hub is not None
        return self._hub.pid

    def stop(self) -> None:
        if self._hub is not None:
            self._hub.close()
            self._hub = None

    def restart(self) -> None:
        self.stop()
        self._hub = hub = Hub()
        for name, take in self._takers.items():
            take(hub.attach(name))


@contextmanager
def local(_: Path) -> Iterator[Network]:
    network = LocalNetwork()
    try:
        yield network
    finally:
        network.stop()


class BrokerNetwork:
    """As a user has it, with the names of machines before those of the members."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.stop = server.stop

    def engine(self, identity: Identity, receiver: Receiver) -> Engine:
        return choice.maker(self._server.url, no_line)(identity, receiver)

    def restart(self) -> None:
        self._server.stop()
        self._server.start()


def no_line(take: Take) -> None:
    raise AssertionError(f"a broker needs no line for {take}")


@contextmanager
def redis(_: Path) -> Iterator[Network]:
    with brokers.redis() as server:
        yield BrokerNetwork(server)


@contextmanager
def nats(place: Path) -> Iterator[Network]:
    with brokers.nats(place) as server:
        yield BrokerNetwork(server)


NETWORKS: dict[str, Callable[[Path], AbstractContextManager[Network]]] = {
    "local": local,
    "redis": redis,
    "nats": nats,
}
ENGINES = [
    "local",
    pytest.param("redis", marks=brokers.needs_redis),
    pytest.param("nats", marks=brokers.needs_nats),
]
