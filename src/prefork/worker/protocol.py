"""The asyncio side of one connection: bytes to and fro, and what comes next."""

import asyncio

from prefork.http.connection import Connection
from prefork.http.rules import Field
from prefork.worker.cycle import Cycle
from prefork.worker.departure import Departing
from prefork.worker.flow import BUSY, CLOSED, ENDING, HEAD, HIGH_WATER, IDLE, OPENING, Flow
from prefork.worker.service import Service


class HttpProtocol(Departing):
    """One connection. Its timeouts are looked at by the worker's tick: a timer costs 0.5 µs."""

    __slots__ = ("origin", "tail", "told")

    def __init__(self, service: Service, connection: Connection[Cycle]) -> None:
        super().__init__(service, connection)
        self.origin = self.tail = ""  # of an access log: see `access_lines.Origin`
        self.told: list[Field] | None = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        is_tcp = self.local is not None and self.local[1] is not None
        # Who has reset a TCP connection has no name any more; to have none is to be on Unix.
        is_known = self.client is not None or not (is_tcp or self.introduction)
        if self.service.trust is not None and is_known:
            self.connection.proxy = self.service.trust.proxy(self.client, self.scheme)
        limits = self.service.limits
        is_new = self._phase is OPENING
        timeout = limits.header_timeout if is_new else self.service.idle_timeout
        deadline = self.service.now + timeout
        self.deadline = min(self.deadline, deadline)  # what came before the head took of its time
        self.service.members.add(self)
        if self.service.draining:  # it was taken at the last moment
            self.service.loop.call_soon(self._depart)  # asyncio begins to read after this call

    def data_received(self, data: bytes) -> None:
        phase = self._phase
        if phase is ENDING:
            self._discard(len(data))
            return
        self.connection.feed(data)
        if phase is BUSY:
            self._more()
        elif self.connection.ready:
            self._begin(self.connection.ready.pop(0), True)
        else:
            self._advance()

    def eof_received(self) -> bool:
        self.at_eof = True
        if self._phase is not BUSY:
            return False
        assert self._cycle is not None
        self._cycle.disconnect()
        return not self._cycle.gone

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        cycle, self._cycle = self._cycle, None
        if cycle is not None:
            self._over(cycle)
        self._phase = CLOSED
        self.connection.close()
        self.service.members.discard(self)
        self.resume_writing()
        self.service.released()

    # What a cycle calls.

    def relieve(self) -> None:
        """The application took what was there of the body, and waits: read on."""
        if not self.connection.ready:
            self._release()
        cycle = self._cycle
        if cycle is not None and not cycle.body_complete and self._phase is BUSY:
            self._await_body(cycle)

    def answered(self) -> None:
        """The answer is complete: go on with the next request, or wait for one, or end."""
        service = self.service
        service.requests += 1
        service.in_flight -= 1
        cycle = self._cycle
        assert cycle is not None
        if service.access_log is not None:
            service.access_log.note(cycle)
        if not cycle.body_complete:
            cycle.discard()
        if cycle.waiters is not None:
            cycle.wake()
        self._phase = IDLE
        self.deadline = service.now + service.idle_timeout
        connection = self.connection
        if self._held and not connection.ready:
            self._release()
        if not cycle.keep_alive:
            self._end()
        elif connection.ready or connection.ended or connection.in_head:
            self._advance()
        elif self.at_eof or service.draining:
            self._go_away()

    def hand_to(self, successor: Flow) -> None:
        """The latest request changed the protocol: the connection is *successor*'s from now on."""
        service = self.service
        service.requests += 1
        service.in_flight -= 1
        if service.access_log is not None and self._cycle is not None:
            service.access_log.note(self._cycle)
        service.members.discard(self)
        self._phase = CLOSED
        self.connection.close()
        successor.take_over(self)
        self.resume_writing()

    # Deciding what comes next.

    def _advance(self) -> None:
        """Begin the next request, or see why there is none."""
        connection = self.connection
        if connection.waiting:
            connection.go_on()
        if connection.ready:
            self._begin(connection.ready.pop(0), False)
        elif connection.refusal is not None:
            if connection.in_body:  # of a request whose answer was given before
                self._linger()
            else:
                self._refuse_next(connection.refusal)
        elif self.at_eof:
            self._close()
        elif self._phase is IDLE:
            self._wait_for_more()

    def _wait_for_more(self) -> None:
        """A part of something arrived between two requests."""
        connection, service = self.connection, self.service
        if connection.in_head:
            self._phase = HEAD
            self.deadline = service.now + service.limits.header_timeout
        elif service.draining:
            self._depart()
        elif connection.in_body:  # the rest of one that nobody reads
            self.deadline = service.now + service.idle_timeout

    def _begin(self, cycle: Cycle, eager: bool) -> None:
        previous = self._cycle
        if previous is not None and previous.task is not None:
            self._keep(previous)
        self._cycle = cycle
        self._phase = BUSY
        service = self.service
        cycle.due = self.deadline = service.due  # where nothing limits it, for ever
        service.in_flight += 1
        if self.connection.ready or len(cycle.buffer) > HIGH_WATER:
            self._hold()
        elif self._held:
            self._release()
        work = cycle.run() if service.in_flight <= service.concurrency else cycle.decline()
        cycle.begin(self, work, eager)
        if self._cycle is not cycle:  # it was answered while it was being started
            self._keep(cycle)
        if self.at_eof and not cycle.body_complete:
            cycle.disconnect()

    def _more(self) -> None:
        """Something arrived while a request is being answered: its body, or the next request."""
        cycle = self._cycle
        assert cycle is not None
        refusal = self.connection.refusal
        if refusal is not None and not cycle.body_complete:
            self._break_off(cycle, refusal)
            return
        if self._pace is not None:
            self._advance_body()
        cycle.wake()
        if self.connection.ready or len(cycle.buffer) > HIGH_WATER:
            self._hold()
