"""The primary's side of the control socket: takes clients in, and never waits for one."""

import errno
import os
import selectors
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from prefork.control.connection import Connection
from prefork.control.verbs import Verbs
from prefork.core.messages import Fact, ReloadStatus
from prefork.errors import RemoteError
from prefork.wire.named import NamedSocket

MAX_CLIENTS = 64  # the oldest goes when one more comes
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE})
_PEER = struct.Struct("3i")  # pid, uid, gid: struct ucred of unix(7)


class ControlServer:
    """Holds a spare descriptor, so that it answers, and doesn't spin, when all are used up."""

    def __init__(self, sock: NamedSocket, selector: selectors.BaseSelector, verbs: Verbs) -> None:
        self._sock = sock
        self._selector = selector
        self._verbs = verbs
        self._clients: list[Connection] = []  # oldest first
        self._spare: int | None = None  # None: a client has it
        self._keep_spare()
        selector.register(sock, selectors.EVENT_READ, self._accept)

    def tell(self, status: ReloadStatus) -> None:
        """Tell those who wait for this reload."""
        for client in self._clients:
            client.tell(status)
            with suppress(OSError):  # it is gone; its socket wakes us, and is dropped then
                client.flush()
            self._listen_to(client)

    def finish(self, exit_code: int) -> None:
        """Tell those who wait for the end that this is it; take the socket away."""
        for client in list(self._clients):
            client.part(exit_code)
            with suppress(OSError):
                client.flush()
            self._drop(client)
        self._selector.unregister(self._sock)
        self._sock.remove()
        self._sock.close()
        self._give_up_spare()

    # -- clients -------------------------------------------------------------

    def _accept(self, _: float) -> tuple[()]:
        sock = self._take()
        if sock is None:
            return ()
        if not _is_ours(sock):
            sock.close()
            self._keep_spare()
            return ()
        sock.setblocking(False)
        if len(self._clients) >= MAX_CLIENTS:
            self._drop(self._dispensable())
        client = Connection(sock)
        self._clients.append(client)
        self._selector.register(sock, selectors.EVENT_READ, partial(self._serve, client))
        return ()

    def _serve(self, client: Connection, now: float) -> Iterator[Fact]:
        if client not in self._clients:
            return  # dropped earlier in this batch
        try:
            client.flush()
            if not client.has_unread:
                for line in client.lines():
                    yield from self._verbs.obey(client, line, now)
                client.flush()
        except (OSError, RemoteError):
            self._drop(client)
        else:
            self._listen_to(client)

    def _listen_to(self, client: Connection) -> None:
        events = selectors.EVENT_WRITE if client.has_unread else selectors.EVENT_READ
        self._selector.modify(client.sock, events, partial(self._serve, client))

    def _dispensable(self) -> Connection:
        """The oldest of those that wait for nothing, else the oldest."""
        return next((each for each in self._clients if not each.is_waiting), self._clients[0])

    def _drop(self, client: Connection) -> None:
        self._clients.remove(client)
        self._selector.unregister(client.sock)
        client.sock.close()
        self._keep_spare()

    # -- descriptors ---------------------------------------------------------

    def _take(self) -> socket.socket | None:
        """Accept a client; None where it has gone, or the whole system can't take one."""
        try:
            return self._sock.accept()[0]
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                return None
        self._make_room()
        with suppress(OSError):
            return self._sock.accept()[0]
        return None

    def _make_room(self) -> None:
        """Free a descriptor: a client left in the backlog would wake us again and again."""
        if self._spare is not None:
            self._give_up_spare()
        elif self._clients:
            self._drop(self._dispensable())
            self._give_up_spare()

    def _keep_spare(self) -> None:
        if self._spare is None:
            with suppress(OSError):
                self._spare = os.open(os.devnull, os.O_RDONLY)

    def _give_up_spare(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None


def _is_ours(sock: socket.socket) -> bool:
    """Whether the peer is our user or root. Without SO_PEERCRED the file's mode decides alone."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    _, uid, _ = _PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, option, _PEER.size))
    return uid in (0, os.geteuid())
