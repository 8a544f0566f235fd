"""ASGI 3: the scope, receive and send of one WebSocket.

Until it is accepted it is a request like others, which its connection answers, cuts and counts.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Self

from prefork.http.errors import FramingError
from prefork.http.exchange import Exchange
from prefork.http.limits import WebSocketLimits
from prefork.http.websocket import WebSocket
from prefork.worker.cycle import Cycle
from prefork.worker.dialogue import ABNORMAL, Dialogue
from prefork.worker.tracebacks import ANYTHING
from prefork.worker.waiters import Waiters

VERSIONS = {"version": "3.0", "spec_version": "2.4"}  # send() raises after a disconnect
SCHEMES = {"http": "ws", "https": "wss"}
NORMAL, FAILED = 1000, 1011
SWITCHING = 101
CALLS = 16  # of the application's, before others have their turn; a message may be a megabyte

Message = dict[str, Any]


class Disconnected(OSError):  # noqa: N818 - a fact
    """The client is gone, or the connection was closed; what was to be sent is lost."""


class Stage(Enum):
    """What the application has said so far."""

    ASKED = auto()  # nothing
    DENYING = auto()  # the head of an answer
    OPEN = auto()
    OVER = auto()  # it denied, or closed


class WebSocketCycle(Cycle):
    """One WebSocket of an ASGI application."""

    __slots__ = ("calls", "dialogue", "fault", "is_greeted", "socket", "stage")

    dialogue: Dialogue | None  # from the acceptance on
    socket: WebSocket

    @classmethod
    def switched(cls, request: Exchange, limits: WebSocketLimits) -> Self:
        """Make of a handshake what is to be begun with it. Raises Refused."""
        made = cls(
            request.method,
            request.path,
            request.raw_path,
            request.query_string,
            request.fields,
            request.version,
            False,  # an answer ends the connection: what follows was taken as it is
        )
        made.target, made.forwarded = request.target, request.forwarded
        made.body_complete = True
        made.socket = WebSocket(request.fields, limits)
        return made

    async def run(self) -> None:
        self.is_greeted = False
        self.calls = 0
        self.stage = Stage.ASKED
        self.fault: FramingError | None = None
        self.dialogue = None
        carrier = self.carrier
        service = carrier.service
        client, scheme = self.forwarded or (carrier.client, carrier.scheme)
        scope: dict[str, Any] = {
            "type": "websocket",
            "asgi": VERSIONS,
            "http_version": self.version,
            "server": carrier.local,
            "client": client,
            "scheme": SCHEMES[scheme],
            "root_path": service.root_path,
            "path": service.root_path + self.path,
            "raw_path": service.raw_root + self.raw_path,
            "query_string": self.query_string,
            "headers": self.fields,
            "subprotocols": list(self.socket.subprotocols),
            "state": service.state.copy(),
            "extensions": {"websocket.http.response": {}},
        }
        try:
            await service.call(scope, self.receive, self.send)
            self._returned()
        except Disconnected:
            return
        except ANYTHING as error:
            self.fail(error)

    async def receive(self) -> Message:
        """The greeting, then messages, and at last the disconnect."""
        if not self.is_greeted:
            self.is_greeted = True
            return {"type": "websocket.connect"}
        while True:
            dialogue = self.dialogue
            data = None if dialogue is None else dialogue.take()
            if data is not None:
                kind = "text" if isinstance(data, str) else "bytes"
                await self._give_way()
                return {"type": "websocket.receive", kind: data}
            if self.disconnected or self.stage is Stage.OVER:
                code, reason = (dialogue.code, dialogue.reason) if dialogue else (ABNORMAL, "")
                await self.in_vain()
                return {"type": "websocket.disconnect", "code": code, "reason": reason}
            if self.waiters is None:
                self.waiters = Waiters(self.carrier.service.loop)
            await self.waiters.wait()

    async def send(self, message: Message) -> None:
        """Take what the application says. Raises FramingError for what it mustn't; Disconnected."""
        flow = self.dialogue or self.carrier
        if flow.blocked:
            await flow.writable()
        try:
            kind = message["type"]
            step = STEPS.get((self.stage, kind))
            if step is None:
                raise FramingError(f"unexpected message {kind!r} {SITUATIONS[self.stage]}")
            step(self, message)
        except FramingError as error:
            self.fault = error
            raise
        except Disconnected:
            await self.in_vain()
            raise
        await self._give_way()

    async def _give_way(self) -> None:
        """Let others run now and then: neither call waits while there is something to take or room.

        The connection's end, too, is told in a turn of the loop.
        """
        self.calls += 1
        if self.calls % CALLS == 0:
            await asyncio.sleep(0)

    def disconnect(self) -> None:
        """A client that has finished sending is gone: half a WebSocket is none."""
        self.gone = True
        super().disconnect()

    def fail(self, error: BaseException) -> None:
        super().fail(error)
        if self.dialogue is not None:
            self.dialogue.close(FAILED, "")

    def _returned(self) -> None:
        """The application is done. That is a normal end: ASGI leaves the code to us."""
        if self.fault is not None:
            raise self.fault
        if self.dialogue is not None:
            self.dialogue.close(NORMAL, "")
        elif not self.finished and not self.gone:
            raise FramingError("the application returned without accepting or denying")

    # What the application may say.

    def _accept(self, message: Message) -> None:
        if self.gone:
            raise Disconnected
        carrier = self.carrier
        headers = message.get("headers", ())
        opening = self.socket.accept(message.get("subprotocol"), headers, carrier.service.date)
        self.stage = Stage.OPEN
        self.status, self.size = SWITCHING, 0
        self.sent = self.finished = True
        self.dialogue = Dialogue(carrier.service, self, self.socket)
        carrier.hand_to(self.dialogue)
        self.dialogue.begin(opening, self.take())

    def _refuse(self, message: Message) -> None:  # noqa: ARG002
        self._start({"status": 403})
        self._deny({})

    def _start(self, message: Message) -> None:
        self.start(message["status"], message.get("headers", ()), self.carrier.service.date)
        self.stage = Stage.DENYING

    def _deny(self, message: Message) -> None:
        data = self.write(message.get("body", b""), message.get("more_body", False))
        if self.gone:
            return
        self.carrier.transport.write(data)
        if self.finished:
            self.stage = Stage.OVER
            self.carrier.answered()

    def _say(self, message: Message) -> None:
        assert self.dialogue is not None
        if not self.dialogue.is_open:
            raise Disconnected
        text = message.get("text")
        data = message.get("bytes") if text is None else text
        if data is None:
            raise FramingError("websocket.send has neither bytes nor text")
        self.dialogue.say(data)

    def _close(self, message: Message) -> None:
        assert self.dialogue is not None
        self.dialogue.close(message.get("code", NORMAL), message.get("reason") or "")
        self.stage = Stage.OVER
        self.wake()


Step = Callable[[WebSocketCycle, Message], None]
STEPS: dict[tuple[Stage, str], Step] = {
    (Stage.ASKED, "websocket.accept"): WebSocketCycle._accept,
    (Stage.ASKED, "websocket.close"): WebSocketCycle._refuse,
    (Stage.ASKED, "websocket.http.response.start"): WebSocketCycle._start,
    (Stage.DENYING, "websocket.http.response.body"): WebSocketCycle._deny,
    (Stage.OPEN, "websocket.send"): WebSocketCycle._say,
    (Stage.OPEN, "websocket.close"): WebSocketCycle._close,
}
SITUATIONS = {
    Stage.ASKED: "before websocket.accept",
    Stage.DENYING: "while the handshake is being denied",
    Stage.OPEN: "on an open WebSocket",
    Stage.OVER: "after the WebSocket was closed or denied",
}
