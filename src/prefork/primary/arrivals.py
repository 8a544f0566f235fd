"""Connections that are in no worker's hands: whose they are, and how they are turned away."""

import errno
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import msgspec

from prefork.policy.dealing import Client
from prefork.primary.listeners import Listener

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connection(msgspec.Struct, frozen=True):
    """One that the kernel has accepted."""

    address: int  # number of the address that it came to
    descriptor: int
    client: Client
    slot: int | None = None  # whose worker had it before, and has handed it back


def client_of(_descriptor: int, name: Any) -> Client:
    """Say who is at a socket's address, as accept(2) and getpeername(2) give it."""
    return name[0] if isinstance(name, tuple) else None


Identify = Callable[[int, Any], Client]  # says whose a connection is, by it and by its address


def take(
    listener: Listener, most: int, identify: Identify = client_of
) -> tuple[list[Connection], OSError | None]:
    """Accept what waits at a listener, or *most* of it; and what else kept us from more."""
    accepted: list[Connection] = []
    try:
        for _ in range(listener.at_hand(most)):
            # accept() would wrap each descriptor in an object that we only unwrap again
            descriptor, name = listener.sock._accept()  # type: ignore[attr-defined]
            accepted.append(Connection(listener.address, descriptor, identify(descriptor, name)))
    except BlockingIOError:
        pass  # that was all
    except OSError as error:
        return accepted, error
    return accepted, None


def turn_away(connections: Iterable[Connection]) -> None:
    """Nobody is left to serve them: say so, rather than cut them."""
    for each in connections:
        with socket.socket(fileno=each.descriptor) as connection, suppress(OSError):
            connection.setblocking(False)
            connection.send(_BUSY)
            connection.shutdown(socket.SHUT_WR)


def recognise(descriptor: int, identify: Identify = client_of) -> Client:
    """Say whose a connection is. Raises OSError where it is no socket."""
    sock = socket.socket(fileno=descriptor)
    try:
        return identify(descriptor, sock.getpeername())
    except OSError:
        return None  # gone meanwhile: whoever gets the connection will see its end
    finally:
        sock.detach()
