"""Listening sockets: bound once, kept for ever."""

import errno
import os
import socket
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prefork.errors import AddressError, SettingsError
from prefork.policy.schemes import Accepts
from prefork.primary import inherited
from prefork.settings.address import Address, Bind, InheritedAddress, TcpAddress, UnixAddress
from prefork.wire import named

_REASONS = {
    errno.EADDRINUSE: "already in use",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EADDRNOTAVAIL: "not an address of this machine",
}

_UNACKED = slice(24, 28)  # of struct tcp_info; tcp(7) doesn't say that a listener's queue is here


@dataclass(frozen=True, slots=True, eq=False)
class Listener:
    """One listening socket, and who accepts from it."""

    sock: socket.socket
    address: int  # number of the address that it listens on
    accepts: Accepts
    slot: int = 0  # whose worker accepts, where that is Accepts.SLOT
    is_inherited: bool = False  # somebody else opened it, and what waits in it may be the next's

    def is_for(self, slot: int) -> bool:
        """Whether the slot's worker accepts from it."""
        return self.accepts is Accepts.ANY or (self.accepts is Accepts.SLOT and self.slot == slot)

    def is_ours(self, slots: Collection[int]) -> bool:
        """Whether the primary accepts from it, while workers in *slots* do so from theirs."""
        return self.accepts is Accepts.PRIMARY or (
            self.accepts is Accepts.SLOT and self.slot not in slots
        )

    def queued(self) -> int:
        """How many connections wait in it: the kernel has accepted them, and nobody else."""
        if self.sock.fileno() < 0:
            return 0  # we are stopping, and it is closed
        info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _UNACKED.stop)
        return int.from_bytes(info[_UNACKED], sys.byteorder)

    def close(self) -> None:
        """Refuse new connections from now on, in whichever process the socket is open too.

        What is inherited is only let go: it listens on for whoever opened it.
        """
        if not self.is_inherited:
            with suppress(OSError):  # it never listened
                self.sock.shutdown(socket.SHUT_RD)
        if isinstance(self.sock, named.NamedSocket):
            self.sock.remove()
        self.sock.close()


class Listeners:
    """All of them: one for each address, or one for each address and slot.

    Those of slots are made when wanted, and stay: closing one would reset what waits in it.
    """

    def __init__(
        self,
        addresses: Sequence[Bind],
        backlog: int,
        accepts: Accepts,
        socket_mode: int | None = None,
    ) -> None:
        """Listen on every address, or on none. Raises AddressError that names the culprit.

        *socket_mode*: of the files of Unix sockets; None: what the umask leaves.
        """
        require_balance(accepts, sys.platform)
        umask = None if socket_mode is None else 0o777 & ~socket_mode
        self._backlog = backlog
        self._all: list[Listener] = []
        # What is inherited comes first: or a number that isn't open could become a socket of ours.
        order = sorted(enumerate(addresses), key=lambda each: not _is_inherited(each[1]))
        try:
            for number, address in order:
                self._all.append(
                    _listen(address, backlog, number=number, accepts=accepts, umask=umask)
                )
        except AddressError:
            self.close()
            raise
        self._all.sort(key=lambda each: each.address)
        self._firsts = tuple(self._all)  # by address
        # Of each address with a socket for each slot, in the order of making: the kernel's.
        self.groups = [[each] for each in self._firsts if each.accepts is Accepts.SLOT]
        self.families = tuple(int(first.sock.family) for first in self._firsts)
        self.bound = [_bound(first.sock) for first in self._firsts]  # with ports for port 0

    def __iter__(self) -> Iterator[Listener]:
        return iter(self._all)

    def of(self, slot: int) -> list[Listener]:
        """Give what the slot's worker accepts from, made where missing. Raises OSError."""
        for group in self.groups:
            if all(each.slot != slot for each in group):
                group.append(_join(group[0], slot, self._backlog))
                self._all.append(group[-1])
        return [each for each in self._all if each.is_for(slot)]

    def close(self) -> None:
        for each in self._all:
            each.close()


def require_balance(accepts: Accepts, platform: str) -> None:
    """Raise SettingsError where the kernel would give all connections to one of the listeners."""
    if accepts is Accepts.SLOT and platform != "linux":
        raise SettingsError(
            "--policy reuseport needs Linux: this system gives one listener all connections; "
            "take rr or shared"
        )


def _bound(sock: socket.socket) -> Address:
    name = sock.getsockname()
    if sock.family != socket.AF_UNIX:
        return TcpAddress(*name[:2])
    return UnixAddress(os.fsdecode(name).replace("\0", "@"))  # abstract ones begin with a NUL


def _is_inherited(address: Bind) -> bool:
    return isinstance(address, InheritedAddress)


def _listen(
    address: Bind, backlog: int, *, number: int, accepts: Accepts, umask: int | None
) -> Listener:
    shared = Accepts.ANY if accepts is Accepts.SLOT else accepts  # where there is but one socket
    if isinstance(address, InheritedAddress):
        return Listener(inherited.adopt(address.descriptor), number, shared, is_inherited=True)
    try:
        if isinstance(address, UnixAddress):
            sock: socket.socket = named.listen(Path(address.path), backlog, umask=umask)
            return Listener(sock, number, shared)
        return Listener(_listen_tcp(address, backlog, accepts), number, accepts)
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
        raise AddressError(f"cannot listen on {address}: {reason}; see --bind") from None


def _listen_tcp(address: TcpAddress, backlog: int, accepts: Accepts) -> socket.socket:
    found = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, _, _, _, name = found[0]
    sock = _open(family)
    try:
        sock.bind(name)
        sock.listen(backlog)
        if accepts is Accepts.SLOT:
            # Not before: alone with its address it has shown that no other instance has it.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        sock.close()
        raise
    return sock


def _join(first: Listener, slot: int, backlog: int) -> Listener:
    """Listen on the same address once more; the kernel spreads connections over both."""
    sock = _open(first.sock.family)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(first.sock.getsockname())
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return Listener(sock, first.address, first.accepts, slot)


def _open(family: int) -> socket.socket:
    # The protocol is named because asyncio switches Nagle off only where it says TCP.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return sock
