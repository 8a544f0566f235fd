"""Which engine a worker has, told by the setting."""

import socket

from prefork.bus.client import MakeEngine
from prefork.bus.engine import Engine, Identity, Receiver
from prefork.bus.engines.local import Local, Want
from prefork.settings.broker import EXTRAS, LOCAL


def maker(bus: str, want: Want) -> MakeEngine:
    """Return what makes the engine; the library for a broker is imported only then."""
    if bus == LOCAL:
        return lambda identity, receiver: Local(identity, receiver, want)
    return lambda identity, receiver: _brokered(bus, identity, receiver)


def named(bus: str, member: str) -> str:
    """What a worker is called: on a broker there may be others like it on other machines."""
    return member if bus == LOCAL else f"{socket.gethostname()}/{member}"


def _brokered(url: str, identity: Identity, receiver: Receiver) -> Engine:
    from prefork.bus.engines.brokered import Brokered  # noqa: PLC0415 - where it is wanted alone

    if EXTRAS[url.partition(":")[0]] == "redis":
        from prefork.bus.engines.redis import Redis  # noqa: PLC0415

        return Brokered(identity, receiver, Redis(url))
    from prefork.bus.engines.nats import Nats  # noqa: PLC0415

    return Brokered(identity, receiver, Nats(url))
