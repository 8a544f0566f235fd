"""Where a worker's connections come from: the hand-over, and listeners of its own."""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from prefork import log
from prefork.wire import handover, stream
from prefork.wire.board import Field, Line
from prefork.wire.complaint import Complaint
from prefork.wire.messages import Nudge
from prefork.worker.handback import HandBack
from prefork.worker.link import Link
from prefork.worker.preamble import Make, Preambles
from prefork.worker.server import Server
from prefork.worker.tls import Tls

LOOK_AGAIN = 0.01  # seconds; only while this worker is full
SCARCE = 128  # connections; with less room than that it is looked whether a batch fits: 2 µs
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
ACCEPT_BATCH = 4  # per turn; asyncio takes 100, so that a burst lands on one worker


class Intake:
    """Attaches connections to the loop as they come.

    Not `asyncio.Server`: its close() drops connections that it accepted and had not attached
    (cpython gh-109564); 20 of 32,000 in rolling restarts.
    """

    def __init__(
        self, server: Server, link: Link, line: Line, primary: Line, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._server = server
        self._link = link
        self._line = line
        self._primary = primary
        self._loop = loop
        self._listeners: Sequence[socket.socket] = ()
        self._preambles: Preambles | None = None
        self._tls: ssl.SSLContext | None = None
        self._is_stopped = False
        self._trouble = Complaint("accept_failed")

    def await_headers(self, preambles: Preambles) -> None:
        """Attach connections only when they have said whose they are."""
        self._preambles = preambles

    def speak_tls(self, context: ssl.SSLContext) -> None:
        """Encrypt all connections that come from now on; a PROXY header comes before that."""
        self._tls = context

    def receive_from(self, sock: socket.socket, families: Sequence[int]) -> None:
        """Take what the primary hands over. *families*: of the addresses, by number."""
        self._handover, self._families = sock, families
        self._hear()

    def accept_from(self, listeners: Sequence[socket.socket]) -> None:
        """Accept from listeners too, from now on."""
        self._listeners = listeners
        self._resume()

    def stop(self) -> None:
        """Take what was handed over already, and nothing more."""
        self._is_stopped = True
        for reader in (self._handover, *self._listeners):
            self._loop.remove_reader(reader)
        while self._receive():
            continue

    def hand_back(self) -> HandBack | None:
        """Give the way back of connections, once this is stopped; None: they can't go it.

        Neither the keys of a TLS session nor what a PROXY header said would go along.
        """
        if self._tls is not None or self._preambles is not None:
            return None
        return HandBack(self._handover, self._families, self._loop)

    def _receive(self) -> bool:
        room = self._line[Field.CAPACITY] - self._line[Field.CONNECTIONS]
        try:
            batch = handover.receive(self._handover, is_scarce=room < SCARCE)
        except OSError as error:
            self._refused(error)
            self._loop.remove_reader(self._handover)  # others get what waits, if it waits long
            self._loop.call_later(LOOK_AGAIN, self._hear)
            return False
        if batch is None:
            return False
        self._server.taken(len(batch.descriptors), is_new=not batch.is_moved)
        self._line[Field.RECEIVED] += batch.sent
        if self._primary[Field.WAITING]:
            self._link.say(Nudge())
        if lost := batch.sent - len(batch.descriptors):
            log.error("connections_lost", connections=lost, reason="no descriptor was free")
        family = self._families[batch.address]
        for descriptor in batch.descriptors:
            self._take(stream.adopt(descriptor, family), is_moved=batch.is_moved)
        return True

    def _hear(self) -> None:
        if not self._is_stopped:
            self._loop.add_reader(self._handover, self._receive)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPT_BATCH):
            if self._line[Field.CONNECTIONS] >= self._line[Field.CAPACITY]:
                self._pause()
                return
            self._line[Field.CONNECTIONS] += 1  # counted before it is ours: a kill may come between
            try:
                sock, _address = listener.accept()
            except OSError as error:  # none there; or closed by the primary, or the client is gone
                self._line[Field.CONNECTIONS] -= 1
                if error.errno in EXHAUSTED:
                    self._refused(error)
                    self._pause()
                return
            self._server.taken(1)
            sock.setblocking(False)
            self._take(sock)

    def _refused(self, error: OSError) -> None:
        self._trouble.tell(self._loop.time(), reason=error.strerror)

    def _pause(self) -> None:
        """Leave new connections to others, or in the backlog, until there may be room again."""
        for listener in self._listeners:
            self._loop.remove_reader(listener)
        self._loop.call_later(LOOK_AGAIN, self._resume)

    def _resume(self) -> None:
        if not self._is_stopped:
            for listener in self._listeners:
                self._loop.add_reader(listener, self._accept, listener)

    def _take(self, sock: socket.socket, *, is_moved: bool = False) -> None:
        if self._preambles is None:
            self._attach(sock, self._server.resumed if is_moved else self._server.protocol)
        else:
            self._preambles.take(sock, self._attach)

    def _attach(self, sock: socket.socket, make: Make) -> None:
        """Drive the coroutine by hand: 11 µs instead of 15 with a task that has one step."""
        protocol = make if self._tls is None else partial(self._encrypted, self._tls, make)
        attaching = self._loop.connect_accepted_socket(protocol, sock)
        try:
            waiter = attaching.send(None)
        except StopIteration:
            return
        except OSError as error:
            self._give_up(error)
        else:
            waiter.add_done_callback(partial(self._attached, attaching))

    @staticmethod
    def _encrypted(context: ssl.SSLContext, make: Make) -> Tls:
        return Tls(context, make())

    def _attached(self, attaching: Coroutine[Any, Any, Any], _: Any) -> None:
        with suppress(StopIteration):
            try:
                attaching.send(None)
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._server.released()
        log.warning("connection_lost", reason=os.strerror(error.errno or 0))
