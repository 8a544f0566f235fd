"""The asyncio side of one connection: bytes to and fro, what comes next, and when it ends."""

import asyncio
from enum import Enum, auto

from prefork import log
from prefork.http.canned import error_answer
from prefork.http.connection import Connection
from prefork.worker.cycle import Address, Cycle
from prefork.worker.service import Service
from prefork.worker.waiters import Waiters

FOREVER = float("inf")
HIGH_WATER = 65536  # bytes of a body that the application hasn't taken; asyncio's own figure
LINGER = 2.0  # seconds, and
LINGER_BYTES = 65536  # that we read on after the last answer, lest a reset destroys it
SEND_TIMEOUT = 60.0  # seconds for the last bytes to a client that doesn't read; as nginx


class Phase(Enum):
    """Where a connection is; its deadline belongs to the phase."""

    OPENING = auto()  # accepted; the first head hasn't arrived
    BUSY = auto()  # a request is being answered; no deadline
    IDLE = auto()  # between two requests
    HEAD = auto()  # a part of a later head has arrived
    ENDING = auto()  # the write side is shut, or will be when all is written
    CLOSED = auto()


class HttpProtocol(asyncio.Protocol):
    """One connection. Its timeouts are looked at by the worker's tick: a timer costs 0.5 µs."""

    # fmt: off
    __slots__ = (
        "_cycle", "_discarded", "_held", "_phase", "_writers",
        "at_eof", "blocked", "client", "connection", "deadline", "local", "service", "transport",
    )
    # fmt: on

    transport: asyncio.Transport

    def __init__(self, service: Service, connection: Connection[Cycle]) -> None:
        self.service = service
        self.connection = connection
        self.client: Address | None = None
        self.local: Address | None = None
        self.deadline = FOREVER
        self.blocked = False  # the client doesn't read
        self.at_eof = False  # the client has shut its side
        self._held = False  # we don't read
        self._phase = Phase.OPENING
        self._cycle: Cycle | None = None  # the latest; while BUSY, the one being answered
        self._writers: Waiters | None = None
        self._discarded = 0

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.client = _address(transport.get_extra_info("peername"))
        self.local = _address(transport.get_extra_info("sockname"), unix=True)
        self.deadline = self.service.now + self.service.limits.header_timeout
        self.service.members.add(self)

    def data_received(self, data: bytes) -> None:
        phase = self._phase
        if phase is Phase.ENDING:
            self._discard(len(data))
            return
        self.connection.feed(data)
        if phase is Phase.BUSY:
            self._more()
        else:
            self._advance(eager=True)

    def eof_received(self) -> bool:
        self.at_eof = True
        if self._phase is not Phase.BUSY:
            return False
        assert self._cycle is not None
        self._cycle.disconnect()
        return not self._cycle.gone

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        cycle, self._cycle = self._cycle, None
        if self._phase is Phase.BUSY:
            self.service.in_flight -= 1
        self._phase = Phase.CLOSED
        self.connection.close()
        self.service.members.discard(self)
        if cycle is not None:
            cycle.lose()
            self.service.keep(cycle.task)
        if self._writers is not None:
            self._writers.wake()
        self.service.released()

    def pause_writing(self) -> None:
        self.blocked = True

    def resume_writing(self) -> None:
        self.blocked = False
        if self._writers is not None:
            self._writers.wake()

    # What a cycle calls.

    async def writable(self) -> None:
        """Wait until the client reads again, or is gone."""
        while self.blocked and self._phase is not Phase.CLOSED:
            if self._writers is None:
                self._writers = Waiters(self.service.loop)
            await self._writers.wait()

    def is_last(self) -> bool:
        """Whether nothing is queued and no byte of a next request is here."""
        return not self.connection.ready and not self.connection.in_head

    def relieve(self) -> None:
        """Read on: the application took what was there."""
        if self._held and not self.connection.ready:
            self._held = False
            self.transport.resume_reading()

    def answered(self) -> None:
        """The answer is complete: go on with the next request, or wait for one, or end."""
        service = self.service
        service.requests += 1
        service.in_flight -= 1
        cycle = self._cycle
        assert cycle is not None
        if not cycle.body_complete:
            cycle.discard()
        cycle.wake()
        self._phase = Phase.IDLE
        self.deadline = service.now + service.idle_timeout
        connection = self.connection
        if not cycle.keep_alive:
            self._end()
        elif connection.ready or connection.ended or connection.in_head:
            self._advance(eager=False)
        elif self.at_eof:
            self._close()
        elif self._held:
            self.relieve()

    def failed(self) -> None:
        """The application failed before its answer was complete."""
        cycle = self._cycle
        assert cycle is not None
        if cycle.sent:
            self.service.in_flight -= 1
            self._phase = Phase.IDLE
            cycle.lose()
            self.transport.abort()
            return
        cycle.abandon()
        if self.is_last() and self.service.draining:
            cycle.keep_alive = False
        content_type = b"text/plain; charset=utf-8"
        data = cycle.whole(500, content_type, b"Internal Server Error\n", self.service.date)
        self.transport.write(data)
        self.answered()

    # What the service calls.

    def expire(self) -> None:
        """The deadline passed."""
        match self._phase:
            case Phase.IDLE:
                self._linger()
            case Phase.HEAD:
                self._refuse(408, "the request did not arrive in time")
            case Phase.OPENING if self.connection.in_head:
                self._refuse(408, "the request did not arrive in time")
            case Phase.OPENING:
                self._close()
            case _:
                self.transport.abort()

    def drain(self, deadline: float) -> None:
        """Be closed at *deadline* if idle until then; otherwise the next answer is the last."""
        if self._phase is Phase.IDLE:
            self.deadline = min(self.deadline, deadline)

    def cut(self) -> int:
        """Give up: 503 where no byte of the answer was sent. Return how many requests it cost."""
        if self._phase is not Phase.BUSY:
            self.transport.close() if self._phase is not Phase.ENDING else self.transport.abort()
            return 0
        cycle = self._cycle
        assert cycle is not None
        count = 1 + len(self.connection.ready)
        self.service.in_flight -= 1
        self._phase = Phase.ENDING
        if cycle.sent:
            self.transport.abort()
        else:
            answer = error_answer(503, "the server is stopping", self.service.date)
            self.transport.write(answer)
            self.transport.close()
        cycle.cancel()
        return count

    # Deciding what comes next.
