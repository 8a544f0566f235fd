"""Connections that were on their way to a server that closed meanwhile: others get them."""

import asyncio
import socket

from prefork import log
from prefork.wire import stream
from prefork.wire.board import Field, Line
from prefork.wire.handover import Batch
from prefork.worker.handback import HandBack


class Stray:
    """One of them; nothing of it was read."""

    has_left = False

    def __init__(self, sock: socket.socket, line: Line) -> None:
        self._sock = sock
        self._line = line

    def socket(self) -> socket.socket:
        return self._sock

    def leave(self) -> None:
        self._line[Field.HANDED_BACK] += 1
        self._end()

    def stay(self) -> None:
        log.warning("connection_lost", reason="its server has closed, and nobody takes it back")
        self._end()

    def _end(self) -> None:
        self._sock.close()
        self._line[Field.CONNECTIONS] -= 1


class Strays:
    """Hands them back on the lane on which they came."""

    def __init__(self, lane: socket.socket, line: Line, loop: asyncio.AbstractEventLoop) -> None:
        self._lane = lane
        self._line = line
        self._loop = loop
        self._ways: dict[tuple[int, int], HandBack] = {}  # by address and family

    def take(self, batch: Batch) -> None:
        """Count them as had, for so they come to whoever has them next."""
        self._line[Field.ACCEPTED] += len(batch.descriptors) * (not batch.is_moved)
        self._line[Field.CONNECTIONS] += len(batch.descriptors)
        for each in batch.descriptors:
            sock = stream.adopt_pair_end(each)
            self._way(batch.address, sock.family).take(Stray(sock, self._line))

    def finish(self) -> None:
        """Hand back what is left, at once."""
        for each in self._ways.values():
            each.finish()

    def _way(self, address: int, family: int) -> HandBack:
        way = self._ways.get((address, family))
        if way is None or not way.is_open:
            way = HandBack(self._lane, {family: address}, self._loop)
            self._ways[address, family] = way
        return way
