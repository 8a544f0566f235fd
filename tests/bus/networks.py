"""What carries the bus in a test: each engine with the real process behind it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from tests.support.hub import Hub

from prefork.bus.engine import Engine, Identity, Receiver
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
def local() -> Iterator[Network]:
    network = LocalNetwork()
    try:
        yield network
    finally:
        network.stop()


NETWORKS: dict[str, Callable[[], AbstractContextManager[Network]]] = {"local": local}
