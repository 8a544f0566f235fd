"""Listening sockets: bound once, kept for ever."""

import errno
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from prefork.errors import AddressError
from prefork.settings.address import Address, TcpAddress, UnixAddress
from prefork.wire import named

_REASONS = {
    errno.EADDRINUSE: "already in use",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EADDRNOTAVAIL: "not an address of this machine",
}


def listen(addresses: Sequence[Address], backlog: int) -> tuple[socket.socket, ...]:
    """Bind and listen on every address, or on none. Raises AddressError that names the culprit."""
    opened: list[socket.socket] = []
    try:
        opened.extend(_listen(address, backlog) for address in addresses)
    except AddressError:
        close(opened)
        raise
    return tuple(opened)


def bound(listener: socket.socket) -> Address:
    """Say where a listener listens, with the port that port 0 became."""
    name = listener.getsockname()
    return UnixAddress(name) if listener.family == socket.AF_UNIX else TcpAddress(*name[:2])


def close(listeners: Sequence[socket.socket]) -> None:
    """Refuse new connections from now on, in whichever process the sockets are open too."""
    for listener in listeners:
        with suppress(OSError):  # it never listened
            listener.shutdown(socket.SHUT_RD)
        if isinstance(listener, named.NamedSocket):
            listener.remove()
        listener.close()


def _listen(address: Address, backlog: int) -> socket.socket:
    try:
        if isinstance(address, UnixAddress):
            return named.listen(Path(address.path), backlog)
        return _listen_tcp(address, backlog)
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
        raise AddressError(f"cannot listen on {address}: {reason}; see --bind") from None


def _listen_tcp(address: TcpAddress, backlog: int) -> socket.socket:
    found = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, kind, _, _, name = found[0]
    # The protocol is named because asyncio switches Nagle off only where it says TCP.
    listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(name)
        listener.listen(backlog)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
