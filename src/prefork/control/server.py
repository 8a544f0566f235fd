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
from prefork.core.facts import Fact
from prefork.core.orders import ReloadStatus
from prefork.errors import RemoteError
from prefork.wire.complaint import Complaint
from prefork.wire.named import NamedSocket

MAX_CLIENTS = 64  # the oldest goes when one more comes
LOOK_AGAIN = 0.5  # seconds; commands wait longer for an answer
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PEER = struct.Struct("3i")  # pid, uid, gid: struct ucred of unix(7)


class ControlServer:
    """Holds a spare descriptor, so that it answers, and doesn't spin, when all are used up."""

    def __init__(self, sock: NamedSocket, selector: selectors.BaseSelector, verbs: Verbs) -> None:
        self._sock = sock
        self._selector = selector
        self._verbs = verbs
        self._clients: list[Connection] = []  # oldest first
        self._spare: int | None = None  # None: a client has it
        self._trouble = Complaint("control_not_accepted")
        self._look_at: float | None = None  # when there may be a descriptor again
        self._keep_spare()
        selector.register(sock, selectors.EVENT_READ, self._accept)

    def next_check(self) -> float | None:
        """When `check` has something to do; None: never, for now."""
        return self._look_at

    def check(self, now: float) -> tuple[()]:
        """Listen again after a while in which there was no descriptor for a client."""
        if self._look_at is not None and now >= self._look_at:
            self._look_at = None
            self._keep_spare()
            self._selector.register(self._sock, selectors.EVENT_READ, self._accept)
        return ()

    def _rest(self, now: float) -> None:
        """Leave clients in the backlog, where they would wake us again and again."""
        self._selector.unregister(self._sock)
        self._look_at = now + LOOK_AGAIN
        self._trouble.tell(now, reason="no descriptor is free")

    def tell(self, status: ReloadStatus) -> None:
        """Tell those who wait for this reload."""
        for client in self._clients:
            client.tell(status)
            self._push(client)

    def finish(self, exit_code: int) -> None:
        """Tell those who wait for the end that this is it; take the socket away."""
        for client in list(self._clients):
            client.part(exit_code)
            with suppress(OSError):
                client.flush()
            self._drop(client)
        if self._look_at is None:
            self._selector.unregister(self._sock)
        self._sock.remove()
        self._sock.close()
        self._give_up_spare()

    # -- clients -------------------------------------------------------------

    def _accept(self, now: float) -> tuple[()]:
        try:
            sock = self._take()
        except OSError as error:
            if error.errno in _EXHAUSTED:
                self._rest(now)
            return ()  # else it has gone
        if not _is_ours(sock):
            sock.close()
            self._keep_spare()
            return ()
        sock.setblocking(False)
        if len(self._clients) >= MAX_CLIENTS:
            self._drop(self._dispensable())
        client = Connection(sock)
        client.push = partial(self._push, client)
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

    def _push(self, client: Connection) -> None:
        """Send what it was told meanwhile."""
        if client not in self._clients:
            return  # it didn't wait for it
        with suppress(OSError):  # it is gone; its socket wakes us, and is dropped then
            client.flush()
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

    def _take(self) -> socket.socket:
        """Accept a client. Raises OSError where it has gone, or no descriptor can be had for it."""
        try:
            return self._sock.accept()[0]
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
        self._make_room()
        return self._sock.accept()[0]

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
