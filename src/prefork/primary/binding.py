"""How a listening socket is made: where it is bound, and with which options."""

import errno
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from prefork.policy.schemes import Accepts
from prefork.primary import inherited
from prefork.settings.address import (
    Address,
    Bind,
    InheritedAddress,
    TcpAddress,
    UnixAddress,
)
from prefork.wire import named

SILENCE = 3  # seconds; the kernel counts in how often it asks again, after 1, 2, 4 and so on
ALL_BITS = 0o777  # of a file's mode, without the special ones


@dataclass(frozen=True, slots=True)
class Opening:
    """What is to be opened, and how.

    *index*: of those that ask for port 0, so that two are two. *mode*: of a Unix socket's file;
    None: what the umask leaves. *waits*: for a directory that is locked, for a second.
    """

    address: Bind
    backlog: int
    ipv6_only: bool = True
    mode: int | None = None
    index: int = 0
    waits: bool = True

    @property
    def key(self) -> tuple[Bind, int]:
        """What two that want the same listener have in common."""
        is_any = isinstance(self.address, TcpAddress) and self.address.port == 0
        return self.address, self.index if is_any else 0

    @property
    def is_inherited(self) -> bool:
        return isinstance(self.address, InheritedAddress)


def listen(opening: Opening, accepts: Accepts) -> socket.socket:
    """Listen there. Raises OSError, or AddressError for what can't be inherited."""
    match opening.address:
        case InheritedAddress(descriptor):
            return inherited.adopt(descriptor)
        case UnixAddress(path):
            umask = None if opening.mode is None else ALL_BITS & ~opening.mode
            return named.listen(Path(path), opening.backlog, umask=umask, waits=opening.waits)
        case TcpAddress(host, port):
            return _listen_tcp(_resolve(host, port), opening, accepts)


def join(first: socket.socket, backlog: int) -> socket.socket:
    """Listen on the same address once more; the kernel spreads connections over both."""
    is_ipv6 = first.family == socket.AF_INET6
    ipv6_only = is_ipv6 and bool(first.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))
    sock = _open(first.family, ipv6_only=ipv6_only)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(first.getsockname())
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock


def await_data(sock: socket.socket) -> None:
    """Have the kernel tell of a connection only when there is something to read, or of one that
    says nothing some seconds later (tcp(7)); of Unix sockets it tells at once all the same."""
    if sock.family != socket.AF_UNIX and hasattr(socket, "TCP_DEFER_ACCEPT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, SILENCE)


def bound(sock: socket.socket) -> Address:
    """Say where it listens; with its port, where any was asked for."""
    if isinstance(sock, named.NamedSocket):
        return UnixAddress(os.fspath(sock.path))  # by which it was bound may be another
    name = sock.getsockname()
    if sock.family != socket.AF_UNIX:
        return TcpAddress(*name[:2])
    return UnixAddress(os.fsdecode(name).replace("\0", "@"))  # abstract ones begin with a NUL


def require_number(host: str) -> str:
    """Give *host* as a number. Raises OSError for a name: to ask who has it may take seconds,
    which whoever wants it has, and the primary has not."""
    if host == "localhost":
        return "127.0.0.1"  # RFC 6761 6.3
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except (OSError, ValueError):
        reason = os.strerror(errno.EADDRNOTAVAIL)
        raise OSError(errno.EADDRNOTAVAIL, reason) from None
    return host


def _resolve(host: str, port: int) -> tuple[int, tuple[object, ...]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, name = found[0]
    return family, name


def _listen_tcp(
    where: tuple[int, tuple[object, ...]], opening: Opening, accepts: Accepts
) -> socket.socket:
    family, name = where
    sock = _open(family, ipv6_only=opening.ipv6_only)
    try:
        sock.bind(name)
        sock.listen(opening.backlog)
        if accepts is Accepts.SLOT:
            # Not before: alone with its address it has shown that no other instance has it.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        sock.close()
        raise
    return sock


def _open(family: int, *, ipv6_only: bool) -> socket.socket:
    # The protocol is named because asyncio switches Nagle off only where it says TCP.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, ipv6_only)
    return sock
