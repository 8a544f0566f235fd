"""The asyncio side of one connection: bytes to and fro, what comes next, and when it ends."""

import asyncio

from prefork import log
from prefork.http.canned import error_answer
from prefork.http.connection import Connection
from prefork.http.errors import STOPPING, TOO_LATE, Refused
from prefork.http.exchange import Framing
from prefork.http.rules import Field
from prefork.worker.cycle import Address, Cycle, address_of
from prefork.worker.flow import BUSY, CLOSED, ENDING, FOREVER, HEAD, HIGH_WATER, IDLE, Flow, Phase
from prefork.worker.service import COARSE, DRAIN_IDLE, Service


class HttpProtocol(Flow):
    """One connection. Its timeouts are looked at by the worker's tick: a timer costs 0.5 µs."""

    __slots__ = ("_cycle", "client", "connection", "local", "origin", "tail", "told")

    def __init__(self, service: Service, connection: Connection[Cycle]) -> None:
        super().__init__(service)
        self.connection = connection
        self.client: Address | None = None
        self.local: Address | None = None
        self.origin = self.tail = ""  # of an access log: see `access_lines.Origin`
        self.told: list[Field] | None = None
        self._cycle: Cycle | None = None  # the latest; while BUSY, the one being answered

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.client = address_of(transport.get_extra_info("peername"))
        self.local = address_of(transport.get_extra_info("sockname"), unix=True)
        self.deadline = self.service.now + self.service.limits.header_timeout
        self.service.members.add(self)

    def data_received(self, data: bytes) -> None:
        phase = self._phase
        if phase is ENDING:
            self._discard(len(data))
            return
        self.connection.feed(data)
        if phase is BUSY:
            self._more()
        elif self.connection.ready:
            self._begin(self.connection.ready.popleft(), True)
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

    def is_last(self) -> bool:
        """Whether nothing is queued and no byte of a next request is here."""
        return not self.connection.ready and not self.connection.in_head

    def relieve(self) -> None:
        """The application took what was there of the body: read on."""
        if not self.connection.ready:
            self._release()

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
        if self._held:
            self.relieve()
        if not cycle.keep_alive:
            self._end()
        elif connection.ready or connection.ended or connection.in_head:
            self._advance()
        elif self.at_eof:
            self._close()

    def failed(self) -> None:
        """The application failed before its answer was complete."""
        cycle = self._cycle
        assert cycle is not None
        if cycle.sent:
            self._over(cycle)
            if cycle.framing is Framing.CLOSE:  # only a reset tells the client that this isn't all
                self._reset()
            else:
                self._close()
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
                self._refuse_next(TOO_LATE)
            case Phase.OPENING if self.connection.in_head:
                self._refuse_next(TOO_LATE)
            case Phase.OPENING:
                self._close()
            case _:
                self._give_up()

    def drain(self, delay: float) -> None:
        """Be closed when idle for DRAIN_IDLE and *delay*, or after the next answer."""
        if self._phase is IDLE:
            idle_since = self.deadline - self.service.limits.keepalive_timeout + COARSE
            self.deadline = max(idle_since + DRAIN_IDLE, self.service.now) + delay

    def cut(self) -> int:
        """Give up: 503 where no byte of the answer was sent. Return how many requests it cost."""
        if self._phase is not BUSY:
            self._abort()
            return 0
        cycle = self._cycle
        assert cycle is not None
        count = 1 + len(self.connection.ready)
        self._over(cycle, STOPPING)
        cycle.cancel()
        if cycle.sent:
            self._abort()
        else:
            self._tell(STOPPING)
            self._close()
        return count

    # Deciding what comes next.

    def _advance(self) -> None:
        """Begin the next request, or see why there is none."""
        connection = self.connection
        if connection.ready:
            self._begin(connection.ready.popleft(), False)
        elif connection.refusal is not None:
            if connection.in_body:  # of a request whose answer was given before
                self._linger()
            else:
                self._refuse_next(connection.refusal)
        elif self.at_eof:
            self._close()
        elif self._phase is IDLE and connection.in_head:
            self._phase = HEAD
            self.deadline = self.service.now + self.service.limits.header_timeout
        elif self._phase is IDLE and connection.in_body:  # the rest of a body that nobody reads
            self.deadline = self.service.now + self.service.idle_timeout

    def _begin(self, cycle: Cycle, eager: bool) -> None:
        previous = self._cycle
        if previous is not None and (previous.task is None or not previous.task.done()):
            self._keep(previous)
        self._cycle = cycle
        self._phase = BUSY
        self.deadline = FOREVER
        self.service.in_flight += 1
        if self.connection.ready or len(cycle.buffer) > HIGH_WATER:
            self._hold()
        elif self._held:
            self._release()
        cycle.begin(self, eager)
        if self._cycle is not cycle:  # it was answered while it was being started
            self._keep(cycle)
        if self.at_eof and not cycle.body_complete:
            cycle.disconnect()

    def _keep(self, cycle: Cycle) -> None:
        """Own the task of a cycle that is over, which may do something more."""
        if cycle.task is not None:
            self.service.keep(cycle.task)

    def _more(self) -> None:
        """Something arrived while a request is being answered: its body, or the next request."""
        cycle = self._cycle
        assert cycle is not None
        refusal = self.connection.refusal
        if refusal is not None and not cycle.body_complete:
            self._over(cycle, refusal)
            if cycle.sent:
                self._abort()
            else:
                self._refuse(refusal)
            return
        cycle.wake()
        if self.connection.ready or len(cycle.buffer) > HIGH_WATER:
            self._hold()

    def _over(self, cycle: Cycle, instead: Refused | None = None) -> None:  # noqa: ARG002
        """Nothing more can be written for the latest request. *instead*: its client is told so."""
        if self._phase is BUSY:
            self.service.in_flight -= 1
            self._phase = IDLE
        cycle.lose()
        self._keep(cycle)

    def _refuse_next(self, refusal: Refused) -> None:
        """What was to be the next request isn't begun."""
        self._refuse(refusal)

    def _refuse(self, refusal: Refused) -> None:
        status, reason = refusal.status, refusal.reason
        log.debug("request_refused", status=status, reason=reason, client=self.client)
        self._tell(refusal)
        self._linger()

    def _tell(self, refusal: Refused) -> None:
        self.transport.write(error_answer(refusal.status, refusal.reason, self.service.date))

    def _end(self) -> None:
        """The last answer is written. Only a client that asked for it is simply left."""
        connection = self.connection
        if connection.ended and connection.refusal is None and not self.service.draining:
            self._close()
        else:
            self._linger()
