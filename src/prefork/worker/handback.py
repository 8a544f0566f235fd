"""Connections on their way back to the primary, which gives them to workers that stay."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from prefork import log
from prefork.wire import handover

BATCH = 16  # in a message: it has to fit into what the primary has left of descriptors
TURN = 64  # in a turn of the loop; 3,000 at once would keep requests waiting
LOOK_AGAIN = 0.01  # seconds; only while the primary takes nothing
GIVE_UP = 1.0  # seconds in which the primary took nothing at all


class Leaver(Protocol):
    """A connection that isn't read from and has nothing unsent, so that it can go."""

    @property
    def has_left(self) -> bool: ...

    def socket(self) -> socket.socket: ...
    def leave(self) -> None:
        """Forget the connection: it is somebody else's."""

    def stay(self) -> None:
        """Go on as before: it can't be handed back."""


class HandBack:
    """Where they wait until the primary has room. *addresses*: the number of one, by family."""

    def __init__(
        self, lane: socket.socket, addresses: Mapping[int, int], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._lane = lane
        self._addresses = addresses
        self._loop = loop
        self._leavers: deque[Leaver] = deque()
        self._timer: asyncio.Handle | None = None
        self._others: deque[Callable[[], None]] = deque()
        self._caller: asyncio.Handle | None = None
        self._give_up_at = 0.0
        self.is_open = True

    def call(self, others: Iterable[Callable[[], None]]) -> None:
        """Call *others*, some in each turn, and no more than have room: each may have one leave.

        Who isn't called is served here as ever; who is waits until it is elsewhere.
        """
        self._others.extend(others)
        self._call_some()

    def take(self, leaver: Leaver) -> None:
        """Hand it back as soon as may be."""
        if not self.is_open:
            leaver.stay()
            return
        self._leavers.append(leaver)
        if self._timer is None:
            self._give_up_at = self._loop.time() + GIVE_UP
            self._timer = self._loop.call_soon(self._flush)

    def end(self) -> None:
        """Hand nothing back any more; who waits stays."""
        self.is_open = False
        for handle in (self._timer, self._caller):
            if handle is not None:
                handle.cancel()
        while self._leavers:
            self._leavers.popleft().stay()
        while self._others:
            self._others.popleft()()

    def finish(self) -> None:
        """Hand back now what there is room for, and nothing more."""
        while self._leavers and self._send():
            continue
        self.end()

    def _call_some(self) -> None:
        has_room = len(self._leavers) < TURN
        for _ in range(min(TURN, len(self._others)) * has_room):
            self._others.popleft()()
        if self._others and has_room:
            self._caller = self._loop.call_soon(self._call_some)
        elif self._others:
            self._caller = self._loop.call_later(LOOK_AGAIN, self._call_some)

    def _flush(self) -> None:
        self._timer = None
        left = TURN
        while self._leavers and left > 0 and self._send():
            self._give_up_at = self._loop.time() + GIVE_UP
            left -= BATCH
        if not self._leavers:
            return
        if left <= 0:
            self._timer = self._loop.call_soon(self._flush)
        elif self._loop.time() < self._give_up_at:
            self._timer = self._loop.call_later(LOOK_AGAIN, self._flush)
        else:
            log.warning("hand_back_ended", connections=len(self._leavers), reason="nobody takes")
            self.end()

    def _send(self) -> bool:
        """Send a message of what came to addresses of one family; False: there is no room."""
        batch: list[Leaver] = []
        descriptors: list[int] = []
        family = -1
        while self._leavers and len(batch) < BATCH:
            leaver = self._leavers[0]
            if not leaver.has_left:
                sock = leaver.socket()
                if batch and sock.family != family:
                    break
                family = sock.family
                batch.append(leaver)
                descriptors.append(sock.fileno())
            self._leavers.popleft()
        if not batch:
            return True
        if not handover.send(self._lane, self._addresses[family], descriptors, is_moved=True):
            self._leavers.extendleft(reversed(batch))
            return False
        for leaver in batch:
            leaver.leave()
        return True
