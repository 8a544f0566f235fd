"""Where a worker's connections come from: the hand-over, and listeners of its own."""

import asyncio
import os
import socket
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from prefork import log
from prefork.wire import handover
from prefork.wire.board import Field, Line
from prefork.wire.messages import Nudge
from prefork.worker.link import Link
from prefork.worker.server import Server

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
        self._readers: list[socket.socket] = []

    def receive_from(self, sock: socket.socket, families: Sequence[int]) -> None:
        """Take what the primary hands over. *families*: of its listeners, by number."""
        self._handover, self._families = sock, families
        self._read(sock, self._receive)

    def accept_from(self, listeners: Sequence[socket.socket]) -> None:
        for listener in listeners:
            self._read(listener, partial(self._accept, listener))

    def stop(self) -> None:
        """Take what was handed over already, and nothing more."""
        for reader in self._readers:
            self._loop.remove_reader(reader)
        while self._receive():
            continue

    def _read(self, sock: socket.socket, callback: Any) -> None:
        self._loop.add_reader(sock, callback)
        self._readers.append(sock)

    def _receive(self) -> bool:
        message = handover.receive(self._handover)
        if message is None:
            return False
        number, descriptors = message
        self._server.taken(len(descriptors))
        self._line[Field.RECEIVED] += len(descriptors)
        self._line[Field.ROOM] = max(0, self._line[Field.ROOM] - len(descriptors))
        if self._primary[Field.WAITING]:
            self._link.say(Nudge())
        for descriptor in descriptors:
            self._attach(
                socket.socket(self._families[number], socket.SOCK_STREAM, 0, fileno=descriptor)
            )
        return True

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPT_BATCH):
            if not self._line[Field.ROOM]:
                return
            self._line[Field.CONNECTIONS] += 1  # counted before it is ours: a kill may come between
            try:
                sock, _address = listener.accept()
            except OSError:  # none there; or closed by the primary, or the client is gone
                self._line[Field.CONNECTIONS] -= 1
                return
            self._server.taken(1)
            self._attach(sock)

    def _attach(self, sock: socket.socket) -> None:
        """Drive the coroutine by hand: 11 µs instead of 15 with a task that has one step."""
        sock.setblocking(False)
        attaching = self._loop.connect_accepted_socket(self._server.protocol, sock)
        try:
            waiter = attaching.send(None)
        except StopIteration:
            return
        except OSError as error:
            self._give_up(error)
        else:
            waiter.add_done_callback(partial(self._attached, attaching))

    def _attached(self, attaching: Coroutine[Any, Any, Any], _: Any) -> None:
        with suppress(StopIteration):
            try:
                attaching.send(None)
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._server.released()
        log.warning("connection_lost", reason=os.strerror(error.errno or 0))
