"""Where a worker's connections come from: the hand-over, and listeners of its own."""

import asyncio
import errno
import socket
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from prefork import log
from prefork.wire import handover, stream
from prefork.wire.board import Field, Line
from prefork.wire.complaint import Complaint
from prefork.wire.handover import Batch
from prefork.wire.messages import Nudge
from prefork.worker.door import Door
from prefork.worker.handback import HandBack
from prefork.worker.link import Link
from prefork.worker.strays import Strays

LOOK_AGAIN = 0.01  # seconds; only while this worker is full
SCARCE = 128  # connections; with less room than that it is looked whether a batch fits: 2 µs
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
ACCEPT_BATCH = 4  # per turn; asyncio takes 100, so that a burst lands on one worker


class Place(NamedTuple):
    """An address as a worker serves it."""

    family: int
    door: Door


class Lines(NamedTuple):
    """Of the board: this worker's, and the primary's."""

    own: Line
    primary: Line


class Intake:
    """Brings connections to the door of their address as they come.

    Not `asyncio.Server`: its close() drops connections that it accepted and had not attached
    (cpython gh-109564); 20 of 32,000 in rolling restarts.
    """

    def __init__(
        self, lane: socket.socket, link: Link, lines: Lines, loop: asyncio.AbstractEventLoop
    ) -> None:
        """*lane*: the worker's end of the hand-over, on which connections also go back."""
        self._lane = lane
        self._link = link
        self._line = lines.own
        self._primary = lines.primary
        self._loop = loop
        self._places: dict[int, Place] = {}  # by number of the address
        self._listeners: dict[socket.socket, Door] = {}
        self._strays = Strays(lane, lines.own, loop)
        self._is_stopped = False
        self._trouble = Complaint("accept_failed")

    def receive(self, places: Mapping[int, Place]) -> None:
        """Take what the primary hands over, at these addresses too."""
        self._places |= places
        self._hear()

    def accept_from(self, listeners: Iterable[socket.socket], door: Door) -> None:
        """Accept from listeners too, from now on."""
        self._listeners |= dict.fromkeys(listeners, door)
        self._resume()

    def close(self, address: int, listeners: Iterable[socket.socket]) -> None:
        """Serve one address no more: what still comes there is handed back."""
        self._places.pop(address, None)
        for each in listeners:
            self._loop.remove_reader(each)
            self._listeners.pop(each, None)

    def stop(self) -> None:
        """Take what was handed over already, and nothing more."""
        self._is_stopped = True
        for reader in (self._lane, *self._listeners):
            self._loop.remove_reader(reader)
        while self._receive():
            continue
        self._strays.finish()

    def hand_back(self, door: Door, addresses: Mapping[int, int]) -> HandBack | None:
        """Give the way back of a door's connections, once this is stopped; None: there is none.

        *addresses*: the number of one, by family. It says no more than that here: whoever serves
        one of the door's serves them all.
        """
        return HandBack(self._lane, addresses, self._loop) if door.leads_back else None

    def _receive(self) -> bool:
        room = self._line[Field.CAPACITY] - self._line[Field.CONNECTIONS]
        try:
            batch = handover.receive(self._lane, is_scarce=room < SCARCE)
        except OSError as error:
            self._refused(error)
            self._loop.remove_reader(self._lane)  # others get what waits, if it waits long
            self._loop.call_later(LOOK_AGAIN, self._hear)
            return False
        if batch is None:
            return False
        if lost := batch.sent - len(batch.descriptors):
            log.error("connections_lost", connections=lost, reason="no descriptor was free")
        place = self._place(batch.address)
        room = 0 if place is None else place.door.room
        taken, left = batch.descriptors[:room], batch.descriptors[room:]
        if place is not None:
            place.door.server.taken(len(taken), is_new=not batch.is_moved)
        if left:
            self._strays.take(batch._replace(descriptors=left))
        self._line[Field.RECEIVED] += batch.sent  # last: what is on its way is counted till then
        if self._primary[Field.WAITING]:
            self._link.say(Nudge())
        if place is not None:
            self._bring_in(place, batch._replace(descriptors=taken), has_overflown=bool(left))
        return True

    def _place(self, address: int) -> Place | None:
        """Where it is served; None: nowhere, any more. What says so may wait on another way."""
        if address not in self._places:
            self._link.hear()
        return self._places.get(address)

    @staticmethod
    def _bring_in(place: Place, batch: Batch, *, has_overflown: bool) -> None:
        for descriptor in batch.descriptors:
            place.door.take(stream.adopt(descriptor, place.family), is_moved=batch.is_moved)
        if has_overflown:
            place.door.overflow()

    def _hear(self) -> None:
        if not self._is_stopped:
            self._loop.add_reader(self._lane, self._receive)

    def _accept(self, listener: socket.socket, door: Door) -> None:
        for _ in range(ACCEPT_BATCH):
            if not door.room:
                door.overflow()
                return
            if self._line[Field.CONNECTIONS] >= self._line[Field.CAPACITY]:
                self._pause()
                return
            door.server.expect(1)
            try:
                sock, _address = listener.accept()
            except OSError as error:  # none there; or closed by the primary, or the client is gone
                door.server.expect(-1)
                if error.errno in EXHAUSTED:
                    self._refused(error)
                    self._pause()
                return
            door.server.taken(1)
            sock.setblocking(False)
            door.take(sock)

    def _refused(self, error: OSError) -> None:
        self._trouble.tell(self._loop.time(), reason=error.strerror)

    def _pause(self) -> None:
        """Leave new connections to others, or in the backlog, until there may be room again."""
        for listener in self._listeners:
            self._loop.remove_reader(listener)
        self._loop.call_later(LOOK_AGAIN, self._resume)

    def _resume(self) -> None:
        if not self._is_stopped:
            for listener, door in self._listeners.items():
                self._loop.add_reader(listener, self._accept, listener, door)
