"""A connection whose requests are told to the access log, each once, as it ends."""

import asyncio
from time import monotonic

from prefork.http.canned import error_body
from prefork.http.connection import Connection
from prefork.http.errors import STOPPING, Refused
from prefork.http.head import Head
from prefork.worker.access_lines import Note
from prefork.worker.access_log import AccessLog
from prefork.worker.cycle import Cycle
from prefork.worker.flow import BUSY
from prefork.worker.protocol import HttpProtocol
from prefork.worker.service import Service

GONE = 499  # the client left before anything was sent to it; as nginx


class LoggedProtocol(HttpProtocol):
    """Tells of what was refused, cut or given up; of what was answered its base class does."""

    __slots__ = ("_log",)

    def __init__(
        self, service: Service, connection: Connection[Cycle], access_log: AccessLog
    ) -> None:
        super().__init__(service, connection)
        self._log = access_log

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.origin = self._log.client(self.client)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._abandon(GONE)

    def cut(self) -> int:
        count = super().cut()
        self._abandon(STOPPING.status)
        return count

    def _over(self, cycle: Cycle, instead: Refused | None = None) -> None:
        if self._phase is BUSY:
            began = cycle.began if self.service.is_timed else 0.0
            if cycle.sent:
                self._note(cycle, cycle.status, cycle.size, began)
            elif instead is not None:
                self._note_refusal(cycle, instead, began)
            else:
                self._note(cycle, GONE, 0, began)
        super()._over(cycle, instead)

    def _refuse_next(self, refusal: Refused) -> None:
        self._note_refusal(self.connection.unbegun, refusal, monotonic())
        super()._refuse_next(refusal)

    def _note_refusal(self, head: Head | None, refusal: Refused, began: float) -> None:
        self._note(head, refusal.status, len(error_body(refusal.reason)), began)

    def _abandon(self, status: int) -> None:
        """Tell of requests that were complete, and whose turn doesn't come any more."""
        ready = self.connection.ready
        while ready:
            self._note(ready.pop(0), status, 0, monotonic())

    def _note(self, head: Head | None, status: int, size: int, began: float) -> None:
        note = Note(self, head, status, size)
        note.began = began
        self._log.note(note)
