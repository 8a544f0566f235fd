"""What workers ask for: listeners, which are opened when somebody wants to serve there."""

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from prefork.core.facts import Fact
from prefork.primary import binding, mail
from prefork.primary.acceptor import Acceptor
from prefork.primary.binding import ALL_BITS, Opening
from prefork.primary.children import Child
from prefork.primary.listeners import Listener, Listeners
from prefork.settings.address import Address, TcpAddress, UnixAddress
from prefork.wire.complaint import Complaint
from prefork.wire.descriptors import duplicates
from prefork.wire.messages import FromPrimary, Listen, ListenFailed, Listening, Unlisten

LAST_PORT = 65535
MOST_OPENED = 64  # for one worker: all together may have four times as many, ever
PATIENCE = 1.0  # seconds for which a locked directory is tried, as at the start
TRY_AGAIN = 0.01  # seconds; the primary's one thread does not wait meanwhile
MOST_BACKLOG = 2**31 - 1  # an int; the kernel takes less, net.core.somaxconn

Say = Callable[[Child, FromPrimary, list[int] | None], list[Fact]]


class _Waiting(NamedTuple):
    """One that asks for a socket in a directory where another process makes or removes one."""

    child: Child
    asked: Listen
    by: float


class Openings:
    """A worker is answered with the number of its address, or with an errno, and may ask again.

    It hears of its address before the first connection comes, but by another way: whoever reads
    that one first finds a number that it doesn't know yet.
    """

    def __init__(
        self,
        listeners: Listeners,
        acceptor: Acceptor,
        say: Say,
        listened: Callable[[int, str], None] = lambda _id, _bound: None,
    ) -> None:
        """*listened*: is told a worker's id, and where it listens."""
        self._listened = listened
        self._listeners = listeners
        self._acceptor = acceptor
        self._say = say
        self._trouble = Complaint("listen_refused")
        self._opened: Counter[int] = Counter()  # by worker's id: addresses that it has had opened
        self._waiting: list[_Waiting] = []
        self._try_at = 0.0

    def bury(self, child: Child) -> None:
        """Forget one that has died. What it had opened stays, for others."""
        del self._opened[child.id]
        self._waiting = [each for each in self._waiting if each.child is not child]

    def next_check(self) -> float | None:
        return self._try_at if self._waiting else None

    def check(self, now: float) -> Iterable[Fact]:
        """Try what had to wait once more."""
        if not self._waiting or now < self._try_at:
            return []
        waiting, self._waiting = self._waiting, []
        return [fact for each in waiting for fact in self._listen(*each, now)]

    def heed(self, child: Child, message: Listen | Unlisten, now: float) -> Iterable[Fact]:
        match message:
            case Listen():
                return self._listen(child, message, now + PATIENCE, now)
            case Unlisten(address) if self._acceptor.serves(child, address):
                self._acceptor.unlisten(child, address, now)
                return []
            case Unlisten(address):
                return [mail.blame(child, f"closed an address that it does not have: {address}")]

    def _listen(self, child: Child, asked: Listen, by: float, now: float) -> list[Fact]:
        """*by*: when it is told that the directory of its socket is locked."""
        before, known = self._listeners.numbers, len(self._listeners.bound)
        try:
            number = self._open(child, asked)
            own = self._acceptor.own(child, number, now)
            facts = self._tell(child, asked.ticket, number, own)
        except OSError as error:
            self._take_back(before, known, now)
            if error.errno == errno.EBUSY and now < by:
                self._waiting.append(_Waiting(child, asked, by))
                self._try_at = now + TRY_AGAIN
                return []
            return self._refuse(child, asked, error, now)
        if facts:  # it is not fit to have it
            self._take_back(before, known, now)
            return facts
        self._opened[child.id] += number not in before
        self._acceptor.listen(child, number, now)
        if not asked.is_again:
            self._listened(child.id, str(self._listeners.bound[number]))
        return []

    def _refuse(self, child: Child, asked: Listen, error: OSError, now: float) -> list[Fact]:
        reason = error.strerror or str(error)
        self._trouble.tell(now, **child.who, address=str(_address(asked)), reason=reason)
        number = error.errno or errno.EINVAL
        return self._say(child, ListenFailed(asked.ticket, number, reason), None)

    def _take_back(self, before: set[int], known: int, now: float) -> None:
        """Close what was opened for one that can't have it: who connects would wait for nobody."""
        if self._listeners.numbers != before:
            self._acceptor.release(now, before)
            self._listeners.unlearn(known)

    def _open(self, child: Child, asked: Listen) -> int:
        """Give the number of an address that the worker doesn't serve yet. Raises OSError."""
        if self._acceptor.is_closed:
            raise _error(errno.ECANCELED)  # we are stopping
        opening = _opening(asked)
        number = self._listeners.find(opening)
        if number is None:
            if self._opened[child.id] >= MOST_OPENED:
                raise OSError(errno.EMFILE, f"a worker may have {MOST_OPENED} addresses opened")
            return self._listeners.open(opening)
        if self._acceptor.serves(child, number):
            raise _error(errno.EADDRINUSE)
        return number

    def _tell(self, child: Child, ticket: int, number: int, own: list[Listener]) -> list[Fact]:
        """Answer, with what it is to accept from itself. Raises OSError."""
        family, bound = self._listeners.families[number], str(self._listeners.bound[number])
        answer = Listening(ticket, number, family, bound, len(own))
        return self._say(child, answer, duplicates(each.sock.fileno() for each in own))


def _opening(asked: Listen) -> Opening:
    """Read what was asked for. Raises OSError where it can't be meant."""
    is_sound = 0 <= asked.port <= LAST_PORT and 0 <= asked.backlog <= MOST_BACKLOG
    is_mode = asked.mode is None or 0 <= asked.mode <= ALL_BITS
    if not (is_sound and is_mode) or "\0" in asked.host + asked.path:
        raise _error(errno.EINVAL)
    address = _address(asked)
    if isinstance(address, UnixAddress) and not os.path.isabs(address.path):
        raise _error(errno.EINVAL)  # to what it is relative the worker knows, if anybody
    if isinstance(address, TcpAddress):
        address = TcpAddress(binding.require_number(address.host), address.port)
    return Opening(address, asked.backlog, asked.ipv6_only, asked.mode, asked.index, waits=False)


def _address(asked: Listen) -> Address:
    return UnixAddress(asked.path) if asked.path else TcpAddress(asked.host, asked.port)


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
