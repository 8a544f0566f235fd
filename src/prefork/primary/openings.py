"""What workers ask for: listeners that are opened when somebody wants to serve there."""

import errno
import os
import socket
from collections.abc import Callable, Iterable
from contextlib import ExitStack

from prefork import log
from prefork.core.facts import Fact
from prefork.primary import binding, mail
from prefork.primary.acceptor import Acceptor
from prefork.primary.binding import ALL_BITS, Opening
from prefork.primary.children import Child
from prefork.primary.listeners import Listener, Listeners
from prefork.settings.address import Address, TcpAddress, UnixAddress
from prefork.wire.messages import Listen, ListenFailed, Listening, Message, Unlisten

LAST_PORT = 65535
MOST_BACKLOG = 2**31 - 1  # the kernel takes an int, and less of it: net.core.somaxconn

Say = Callable[[Child, Message, list[int] | None], Iterable[Fact]]


class Openings:
    """Opens, has the worker serve there, and answers. What can't be is told by its errno."""

    def __init__(self, listeners: Listeners, acceptor: Acceptor, say: Say) -> None:
        self._listeners = listeners
        self._acceptor = acceptor
        self._say = say

    def heed(self, child: Child, message: Listen | Unlisten, now: float) -> Iterable[Fact]:
        match message:
            case Listen():
                return self._listen(child, message, now)
            case Unlisten(address):
                return self._unlisten(child, address, now)

    def _listen(self, child: Child, asked: Listen, now: float) -> Iterable[Fact]:
        with ExitStack() as undone:
            try:
                number = self._listeners.open(_opening(asked))
                if self._acceptor.serves(child, number):
                    raise _error(errno.EADDRINUSE)
                own = self._acceptor.listen(child, number, now)
                undone.callback(self._acceptor.unlisten, child, number, now)
                facts = self._tell(child, asked.ticket, number, own)
            except OSError as error:
                number = error.errno or errno.EINVAL
                log.warning("listen_refused", **child.who, where=_where(asked), reason=…)
                return self._say(child, ListenFailed(asked.ticket, number), None)
            undone.pop_all()
        return facts
