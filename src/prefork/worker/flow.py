"""How bytes flow to and from a client: pausing in both directions, and parting gently."""

import asyncio
import socket
import struct
from enum import Enum, auto
from typing import cast

from prefork.wire.proxy_protocol import Introduction
from prefork.worker.address import Address, address_of
from prefork.worker.service import Answered, Service
from prefork.worker.waiters import Waiters

FOREVER = float("inf")
HIGH_WATER = 65536  # bytes of a body that the application hasn't taken; asyncio's own figure
LINGER = 2.0  # seconds, and
LINGER_BYTES = 65536  # that we read on after the last answer, lest a reset destroys it


class Phase(Enum):
    """Where a connection is; its deadline belongs to the phase."""

    OPENING = auto()  # accepted; the first head hasn't arrived
    BUSY = auto()  # a request is being answered; what it waits for has a deadline: `Ending._due`
    IDLE = auto()  # between two requests
    HEAD = auto()  # a part of a later head has arrived
    MOVING = auto()  # not read from any more, and soon another worker's
    PARTING = auto()  # a WebSocket's close frame is written, and the client's is awaited
    ENDING = auto()  # the write side is shut, or will be when all is written
    CLOSED = auto()


# An enumeration's members are found through its metaclass: 0.1 µs each.
OPENING, BUSY, IDLE, HEAD, MOVING, PARTING, ENDING, CLOSED = Phase


class Flow(asyncio.Protocol):
    """The part of a connection that knows no HTTP."""

    # fmt: off
    __slots__ = (
        "_discarded", "_held", "_phase", "_taken_by", "_unsent", "_writers", "at_eof", "blocked",
        "client", "deadline", "introduction", "local", "scheme", "service", "transport",
    )
    # fmt: on

    transport: asyncio.Transport

    def __init__(self, service: Service) -> None:
        self.service = service
        self.introduction: Introduction | None = None  # by a proxy: whose the connection is
        self.client: Address | None = None
        self.local: Address | None = None
        self.scheme = "http"
        self.deadline = FOREVER
        self.blocked = False  # the client doesn't read
        self.at_eof = False  # the client has shut its side
        self._held = False  # we don't read
        self._phase = OPENING
        self._writers: Waiters | None = None
        self._discarded = 0
        self._taken_by = FOREVER  # when a client that an answer waits for has to have taken some
        self._unsent = FOREVER  # bytes that the client had not taken when that was last looked at

    @property
    def request(self) -> Answered | None:
        """What is being answered now."""
        return getattr(self, "_cycle", None) if self._phase is BUSY else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's inherits from nothing
        self.client = address_of(transport.get_extra_info("peername"))
        self.local = address_of(transport.get_extra_info("sockname"), unix=True)
        if self.introduction is not None:
            self.client = self.introduction.client
            self.local = self.introduction.local or self.local

    def take_over(self, other: "Flow") -> None:
        """Be what *other* was to its transport, in whatever state that is."""
        self.transport = other.transport
        self.client, self.local, self.scheme = other.client, other.local, other.scheme
        self.blocked, self.at_eof, self._held = other.blocked, other.at_eof, other._held
        self.transport.set_protocol(self)

    def pause_writing(self) -> None:
        self.blocked = True

    def resume_writing(self) -> None:
        self.blocked = False
        if self._writers is not None:
            self._writers.wake()

    async def writable(self) -> None:
        """Wait until the client reads again, or is gone: it has to take something in time."""
        if self._phase is BUSY:
            self._taken_by = self.service.now + self.service.limits.send_timeout
            self._unsent = self.transport.get_write_buffer_size()
            self.deadline = self._due()
        await self._room()
        if self._phase is BUSY:
            self._taken_by = self._unsent = FOREVER
            self.deadline = self._due()

    async def _room(self) -> None:
        while self.blocked and self._phase is not CLOSED:
            if self._writers is None:
                self._writers = Waiters(self.service.loop)
            await self._writers.wait()

    def _due(self) -> float:
        """When to look again at a request that is being answered."""
        raise NotImplementedError

    def _hold(self) -> None:
        """Stop reading while a request is queued, or the application doesn't take the body."""
        if not self._held:
            self._held = True
            self.transport.pause_reading()

    def _release(self) -> None:
        """Read on."""
        if self._held and not self.at_eof:
            self._held = False
            self.transport.resume_reading()

    def _close(self) -> None:
        """Close when all is written."""
        self._phase = ENDING
        self._unsent = FOREVER
        self.deadline = self.service.now + self.service.limits.send_timeout
        self.transport.close()

    def _abort(self) -> None:
        """Close at once; what isn't written yet is lost."""
        self._phase = ENDING
        self.deadline = FOREVER
        self.transport.abort()

    def _reset(self) -> None:
        """Close so that the client sees an error; a mere abort would send it an ordinary FIN."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._abort()

    def _linger(self) -> None:
        """Shut the write side and read on: a close with unread input resets the connection."""
        if self.at_eof:
            self._close()
            return
        self._phase = ENDING
        self._unsent = FOREVER
        self.deadline = self.service.now + LINGER
        self.transport.write_eof()
        if self._held:
            self._held = False
            self.transport.resume_reading()

    def _give_up(self) -> None:
        """The client hasn't closed its side in time; it gets more while it reads what is left."""
        if not self._is_taking():
            self.transport.abort()

    def _is_taking(self) -> bool:
        """Whether the client has taken something since this was last asked, and there is more.

        It gets more time then. What is measured is what the kernel has no room for yet.
        """
        before, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        self.deadline = self.service.now + self.service.limits.send_timeout
        return 0 < self._unsent < before

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > LINGER_BYTES:
            self.transport.close()
