"""ASGI 3: the scope, receive and send of one request."""

from typing import Any

from prefork.http.errors import FramingError
from prefork.worker.cycle import FAILURE, Cycle, put_off
from prefork.worker.tracebacks import ANYTHING

VERSIONS = {
    "version": "3.0",
    "spec_version": "2.3",
}  # from 2.4 on, send() raises after a disconnect

Message = dict[str, Any]


class AsgiCycle(Cycle):
    """One request to an ASGI application."""

    __slots__ = ("delivered", "fault")

    async def run(self) -> None:
        self.delivered = False  # the last of the body was received by the application
        self.fault: FramingError | None = None
        carrier = self.carrier
        service = carrier.service
        scope = {
            "type": "http",
            "asgi": VERSIONS,
            "http_version": self.version,
            "server": carrier.local,
            "client": carrier.client,
            "scheme": carrier.scheme,
            "root_path": service.root_path,
            "method": self.method,
            "path": service.root_path + self.path,  # ASGI: a path begins with the root_path
            "raw_path": service.raw_root + self.raw_path,
            "query_string": self.query_string,
            "headers": self.fields,
            "state": service.state.copy(),
        }
        if self.forwarded is not None:
            scope["client"], scope["scheme"] = self.forwarded
        try:
            await service.call(scope, self.receive, self.send)
            if self.fault is not None:
                raise self.fault
            if not self.finished and not self.gone:
                raise FramingError("the application returned without completing its answer")
        except ANYTHING as error:
            self.fail(error)

    async def receive(self) -> Message:
        """The body in pieces, as they arrive; then, when the exchange is over, the disconnect."""
        while not self.disconnected and not self.finished:
            if not self.delivered and (self.buffer or self.body_complete):
                break
            await self.change()
        if not self.delivered and not self.finished and (self.buffer or self.body_complete):
            self.delivered = self.body_complete
            return {"type": "http.request", "body": self.take(), "more_body": not self.delivered}
        await self.in_vain()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:  # noqa: C901, PLR0912 - a call costs 0.1 µs
        """Take a piece of the answer. Raises FramingError for one that would break the stream."""
        carrier = self.carrier
        if carrier.blocked:
            await carrier.writable()
        if self.gone:
            await self.in_vain()
            return
        try:
            if (kind := message["type"]) == "http.response.body":
                if carrier.service.draining and not self.sent and carrier.is_last():
                    self.keep_alive = False
                data = self.write(message.get("body", b""), message.get("more_body", False))
            elif kind == "http.response.start":
                status, headers = message["status"], message.get("headers", ())
                if status == FAILURE:
                    status, headers = put_off(status, headers)
                self.start(status, headers, carrier.service.date)
                return
            else:
                raise FramingError(f"unexpected message {kind!r}")
        except FramingError as error:
            self.fault = error
            raise
        carrier.transport.write(data)
        if not self.finished:
            await self.turn(data)
            return
        carrier.answered()
