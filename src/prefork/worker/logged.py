"""A connection whose requests are told to the access log, each once, as it ends."""

import asyncio
from time import monotonic

from prefork.http.canned import error_body
from prefork.http.connection import Connection
from prefork.http.errors import Refused
from prefork.http.head import Head
from prefork.worker.access_log import AccessLog
from prefork.worker.cycle import Cycle
from prefork.worker.flow import BUSY
from prefork.worker.protocol import STOPPING, HttpProtocol
from prefork.worker.service import Service

GONE = 499  # the client left before anything was sent to it; as nginx


class LoggedProtocol(HttpProtocol):
    """A class of its own, so that a worker without an access log pays nothing for it."""

    __slots__ = ("_began", "_log", "_name")

    def __init__(
        self, service: Service, connection: Connection[Cycle], access_log: AccessLog
    ) -> None:
        super().__init__(service, connection)
        self._log = access_log
        self._name = ""  # the client's
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        HttpProtocol.connection_made(self, transport)
        self._name = self._log.client(self.client[0] if self.client else None)

    def connection_lost(self, error: Exception | None) -> None:
        HttpProtocol.connection_lost(self, error)
        self._abandon(GONE)

    def answered(self) -> None:
        cycle = self._cycle
        assert cycle is not None
        self._log.note(self._name, cycle, cycle.status, cycle.size, self._began)
        HttpProtocol.answered(self)

    def cut(self) -> int:
        count = HttpProtocol.cut(self)
        self._abandon(STOPPING.status)
        return count

    def _over(self, cycle: Cycle, instead: Refused | None = None) -> None:
        if self._phase is BUSY:
            if cycle.sent:
                self._log.note(self._name, cycle, cycle.status, cycle.size, self._began)
            elif instead is not None:
                self._note_refusal(cycle, instead)
            else:
                self._log.note(self._name, cycle, GONE, 0, self._began)
        HttpProtocol._over(self, cycle, instead)

    def _refuse_next(self, refusal: Refused) -> None:
        self._began = monotonic()
        self._note_refusal(self.connection.unbegun, refusal)
        HttpProtocol._refuse_next(self, refusal)

    def _note_refusal(self, head: Head | None, refusal: Refused) -> None:
        size = len(error_body(refusal.reason))
        self._log.note(self._name, head, refusal.status, size, self._began)

    def _abandon(self, status: int) -> None:
        """Tell of requests that were complete, and whose turn doesn't come any more."""
        ready = self.connection.ready
        now = monotonic()
        while ready:
            self._log.note(self._name, ready.popleft(), status, 0, now)


class TimedProtocol(LoggedProtocol):
    """For a log that tells how long each request took; to ask for the time costs 0.2 µs."""

    __slots__ = ()

    def _begin(self, cycle: Cycle, eager: bool) -> None:
        self._began = monotonic()
        LoggedProtocol._begin(self, cycle, eager)
