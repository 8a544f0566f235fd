"""Listening sockets: bound once, and kept until nobody can want them any more."""

import errno
import socket
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from prefork.errors import AddressError, SettingsError
from prefork.policy.schemes import Accepts
from prefork.primary import binding
from prefork.primary.binding import Opening
from prefork.settings.address import Address, Bind, TcpAddress
from prefork.wire import named

_REASONS = {
    errno.EADDRINUSE: "already in use",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EADDRNOTAVAIL: "not an address of this machine",
}

MOST = 256  # addresses, ever: a hand-over tells its address by one byte

_UNACKED = slice(24, 28)  # of struct tcp_info; tcp(7) doesn't say that a listener's queue is here


@dataclass(frozen=True, slots=True, eq=False)
class Listener:
    """One listening socket, and who accepts from it."""

    sock: socket.socket
    address: int  # number of the address that it listens on
    accepts: Accepts
    slot: int = 0  # whose worker accepts, where that is Accepts.SLOT
    is_inherited: bool = False  # somebody else opened it, and what waits in it may be the next's
    tells: bool = False  # how many wait in it

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

    def at_hand(self, most: int) -> int:
        """How many to accept, of *most*: that costs 2 µs, and to be refused one too many 6."""
        return min(most, max(1, self.queued())) if self.tells else most

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

    Those of slots are made when wanted, and stay: closing one would reset what waits in it. An
    address has its number for good: after it is closed connections of it may still be on their way.
    """

    def __init__(
        self,
        addresses: Sequence[Bind],
        backlog: int,
        accepts: Accepts,
        socket_mode: int | None = None,
        *,
        is_spoken_first: bool = False,
    ) -> None:
        """Listen on every address, or on none. Raises AddressError that names the culprit.

        *socket_mode*: of the files of Unix sockets; None: what the umask leaves. *is_spoken_first*:
        who connects speaks at once, and a connection is of no use before.
        """
        require_balance(accepts, sys.platform)
        self._accepts = accepts
        self._is_spoken_first = is_spoken_first
        self._all: list[Listener] = []
        # Of each address with a socket for each slot, in the order of making: the kernel's.
        self.groups: list[list[Listener]] = []
        self._openings: dict[int, Opening] = {}  # by number, of those that are open
        self.open_ones: list[str] = []  # where it is listened now, by number; one list for ever
        self._known: dict[int, tuple[int, Address]] = {}  # by number, ever: family, and where
        wanted = [Opening(each, backlog, mode=socket_mode) for each in addresses]
        # What is inherited comes first: or a number that isn't open could become a socket of ours.
        order = sorted(enumerate(wanted), key=lambda each: not each[1].is_inherited)
        try:
            for number, opening in order:
                self._declare(opening, number)
        except AddressError:
            self.close()
            raise
        self._all.sort(key=lambda each: each.address)
        self.groups.sort(key=lambda group: group[0].address)

    def __iter__(self) -> Iterator[Listener]:
        return iter(self._all)

    def __contains__(self, number: int) -> bool:
        """Whether the address is listened on."""
        return number in self._openings

    @property
    def families(self) -> tuple[int, ...]:
        """Of the addresses, by number; also of those that are closed."""
        return tuple(family for _, (family, _) in sorted(self._known.items()))

    @property
    def bound(self) -> list[Address]:
        """The addresses by number, with ports for port 0; also those that are closed."""
        return [address for _, (_, address) in sorted(self._known.items())]

    @property
    def numbers(self) -> set[int]:
        """Of the addresses that are listened on."""
        return set(self._openings)

    def find(self, opening: Opening) -> int | None:
        """Give the number of the address, where it is listened on.

        A port that port 0 has become is known by its number too.
        """
        for number, known in self._openings.items():
            if known.key == opening.key or self._known[number][1] == opening.address:
                return number
        return None

    def open(self, opening: Opening) -> int:
        """Listen there. Returns the address's number.

        Raises OSError; with EMFILE where there is no number left.
        """
        number = self._number(opening)
        self._enter(opening, number)
        return number

    def unlearn(self, number: int) -> None:
        """Have the number given to another address, where it has one: nobody was told of it."""
        self._known.pop(number, None)

    def _number(self, opening: Opening) -> int:
        """Give the one that the address had before, or a new one: a script may close all and open
        it again for ever."""
        for number, (_, bound) in self._known.items():
            if number not in self._openings and bound == opening.address:
                return number
        return len(self._known)

    def of(self, slot: int, numbers: Collection[int] | None = None) -> list[Listener]:
        """Give what the slot's worker accepts from at these addresses, or all, made where missing.

        Raises OSError.
        """
        numbers = self._openings if numbers is None else numbers
        for group in self.groups:
            first = group[0]
            if first.address in numbers and all(each.slot != slot for each in group):
                sock = binding.join(first.sock, self._openings[first.address].backlog)
                group.append(Listener(sock, first.address, first.accepts, slot, tells=True))
                self._all.append(group[-1])
        return [each for each in self._all if each.address in numbers and each.is_for(slot)]

    def drop(self, number: int) -> list[Listener]:
        """Forget an address, and give what is to be closed now."""
        dropped = [each for each in self._all if each.address == number]
        self._all = [each for each in self._all if each.address != number]
        self.groups = [group for group in self.groups if group[0].address != number]
        del self._openings[number]
        self._note()
        return dropped

    def close(self) -> None:
        for each in self._all:
            each.close()

    def _declare(self, opening: Opening, number: int) -> None:
        try:
            self._enter(opening, number)
        except OSError as error:
            reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
            where = opening.address
            raise AddressError(f"cannot listen on {where}: {reason}; see --bind") from None

    def _enter(self, opening: Opening, number: int) -> None:
        if number >= MOST:
            raise OSError(errno.EMFILE, f"{MOST} addresses are the most that there can be")
        sock = binding.listen(opening, self._accepts)
        if self._is_spoken_first and not opening.is_inherited:
            binding.await_data(sock)
        has_slots = self._accepts is Accepts.SLOT and isinstance(opening.address, TcpAddress)
        accepts = Accepts.ANY if self._accepts is Accepts.SLOT and not has_slots else self._accepts
        tells = hasattr(socket, "TCP_INFO") and isinstance(opening.address, TcpAddress)
        listener = Listener(sock, number, accepts, is_inherited=opening.is_inherited, tells=tells)
        self._all.append(listener)
        if has_slots:
            self.groups.append([listener])
        self._openings[number] = opening
        self._known[number] = int(sock.family), binding.bound(sock)
        self._note()

    def _note(self) -> None:
        self.open_ones[:] = [str(self._known[each][1]) for each in sorted(self._openings)]


def require_balance(accepts: Accepts, platform: str) -> None:
    """Raise SettingsError where the kernel would give all connections to one of the listeners."""
    if accepts is Accepts.SLOT and platform != "linux":
        raise SettingsError(
            "--policy reuseport needs Linux: this system gives one listener all connections; "
            "take rr or shared"
        )
