"""One WebSocket after its handshake: bytes in, messages out, and the other way round (RFC 6455).

The library parses and writes frames, and knows what may follow what. It is given a frame at a time:
of all that arrived it would make objects at once, and 256 KiB can inflate to gigabytes. What it
notices only at the end of a frame, or not at all, is checked here.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import CTRL_OPCODES, CloseCode, Frame
from websockets.protocol import Event as Parsed
from websockets.protocol import State
from websockets.server import ServerProtocol

from prefork.http import handshake
from prefork.http.errors import FramingError
from prefork.http.frame import DEFLATED, LONGEST_CONTROL, FrameHead
from prefork.http.limits import WebSocketLimits
from prefork.http.message import Message, TooLarge
from prefork.http.pieces import as_bytes
from prefork.http.rules import Field

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform that it isn't built for
    from websockets.utils import apply_mask

FRAMES = 256  # that are parsed in one go, lest a flood of empty ones holds up everybody
BY_CLIENT = (ProtocolError, PayloadTooBig, UnicodeDecodeError)  # what ends the library's parser
# Outside of the tree: the library tells of every connection, in the application's logs.
SILENT = logging.Logger("prefork.websocket", logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class Closed:
    """Nothing more comes: the client said so, or was told so for what it did."""

    code: int
    reason: str
    by_client: bool


Event = str | bytes | Closed


class WebSocket:
    """`feed` it, ask for an `event`, and write the `output`."""

    # fmt: off
    __slots__ = (
        "_head", "_is_over", "_left", "_message", "_most", "_protocol", "_raw", "_response",
        "is_interrupted", "subprotocols",
    )
    # fmt: on

    def __init__(self, fields: list[Field], limits: WebSocketLimits) -> None:
        """Take the handshake that these *fields* are. Raises Refused."""
        most = self._most = limits.message
        self._protocol = ServerProtocol(
            state=State.OPEN,
            extensions=[handshake.DEFLATE] if limits.deflate else None,
            # Theirs also holds for what is deflated, which can be longer than what it becomes.
            max_size=most + most // 16 + 1024,
            logger=SILENT,
        )
        self._response, self.subprotocols = handshake.take(fields, self._protocol)
        self._raw = bytearray()
        self._head: FrameHead | None = None  # of the frame whose payload is arriving
        self._left = 0  # bytes of that payload
        self._message: Message | None = None  # that is arriving
        self._is_over = False
        self.is_interrupted = False  # there may be an event, but others are to have their turn

    @property
    def unparsed(self) -> int:
        """How many bytes were fed and not looked at."""
        return len(self._raw)

    @property
    def is_open(self) -> bool:
        """Whether neither side has said that it closes."""
        return self._protocol.state is State.OPEN

    def accept(self, subprotocol: str | None, fields: Iterable[Field], date: bytes) -> bytes:
        """The answer that opens it; *date* is a header line. Raises FramingError."""
        if subprotocol is not None and subprotocol not in self.subprotocols:
            raise FramingError(f"the client did not offer the subprotocol {subprotocol!r}")
        return handshake.opening(self._response, subprotocol, fields, date)

    def feed(self, data: bytes) -> None:
        """Keep what arrived until it is asked for."""
        if not self._is_over:
            self._raw += data

    def event(self) -> Event | None:
        """Parse up to the next message, or the end; None: more must be fed, or `is_interrupted`."""
        self.is_interrupted = False
        for _ in range(FRAMES):
            try:
                if not self._has_frame():
                    return None
                event = self._ended() or self._taken(*self._protocol.events_received())
            except TooLarge as error:
                event = self._failed(CloseCode.MESSAGE_TOO_BIG, str(error))
            except UnicodeDecodeError:
                event = self._failed(CloseCode.INVALID_DATA, "the text is not UTF-8")
            except ProtocolError as error:
                event = self._failed(CloseCode.PROTOCOL_ERROR, str(error))
            if event is not None:
                return event
        self.is_interrupted = True
        return None

    def output(self) -> bytes:
        """What is to be written."""
        return b"".join(self._protocol.data_to_send())

    def send(self, message: object) -> bytes:
        """A message as it is written: text from str, else bytes. Raises FramingError."""
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(as_bytes(message))
        return self.output()

    def ping(self) -> bytes:
        """A question whether the client is there."""
        self._protocol.send_ping(b"")
        return self.output()

    def close(self, code: int, reason: str) -> bytes:
        """Say that we close; the client's word for it is awaited. Raises FramingError."""
        try:
            self._protocol.send_close(code, reason)
        except ProtocolError as error:
            raise FramingError(f"close code {code!r}, reason {reason!r}: {error}") from None
        return self.output()

    def fail(self, code: int, reason: str) -> bytes:
        """Say that we close, and take nothing more."""
        self._failed(code, reason)
        return self.output()

    def _has_frame(self) -> bool:
        """Give the library what there is of the next frame; whether that is complete, or wrong."""
        head = self._head
        if head is None:
            head = FrameHead.begun_by(self._raw)
            if head is None or self._is_over:
                return False
            del self._raw[: len(head.data)]
            if head.is_close:  # may come between fragments (section 5.4), which the library denies
                self._protocol.current_size = None
            self._protocol.receive_data(head.data)
            if self._protocol.parser_exc is not None:
                return True
            self._check(head)
            self._head, self._left = head, head.length
        if self._left:
            piece = self._raw[: self._left]
            del self._raw[: len(piece)]
            self._look_at(piece, head)
            self._left -= len(piece)
            self._protocol.receive_data(piece)
            if self._left:
                return False
        self._head = None
        return True

    def _check(self, head: FrameHead) -> None:
        """Refuse what needn't be waited for. Raises TooLarge and ProtocolError."""
        deflates = bool(self._protocol.extensions) and head.is_start
        if head.reserved and not (deflates and head.reserved == DEFLATED):
            raise ProtocolError("reserved bits must be 0")
        if head.is_control:
            if head.length > LONGEST_CONTROL:
                raise ProtocolError("control frame too long")
            return
        if head.is_start == (self._message is not None):
            raise ProtocolError(f"{'a' if head.is_start else 'no'} message is to be continued")
        if self._message is None:
            self._message = Message(head.is_text, bool(head.reserved), self._most)
        if not self._message.is_deflated:
            self._message.expect(head.length)

    def _look_at(self, piece: bytearray, head: FrameHead) -> None:
        """Refuse text as soon as it is wrong; what ends a message is looked at as it is decoded."""
        message = self._message
        if head.is_control or message is None or not message.is_text or message.is_deflated:
            return
        if len(piece) < self._left or not head.is_final:
            message.check(apply_mask(piece, head.mask(head.length - self._left)))

    def _taken(self, parsed: Parsed) -> str | bytes | None:
        """What a frame that is complete brings."""
        assert isinstance(parsed, Frame)
        if parsed.opcode in CTRL_OPCODES:
            return None  # the library has answered it
        message = self._message
        assert message is not None
        data = bytes(parsed.data)
        if parsed.fin:
            self._message = None
            return message.end(data)
        if message.is_deflated:
            message.check(data)
        message.add(data)
        return None

    def _ended(self) -> Closed | None:
        """Whether the client closed, or the library stopped because of what it sent."""
        received, error = self._protocol.close_rcvd, self._protocol.parser_exc
        if received is None and error is None:
            return None
        if error is not None and not isinstance(error, BY_CLIENT):
            raise error
        self._finish()
        said = received or self._protocol.close_sent
        assert said is not None
        return Closed(said.code, said.reason, received is not None)

    def _failed(self, code: int, reason: str) -> Closed:
        self._protocol.fail(code, reason)
        self._finish()
        return Closed(code, reason, by_client=False)

    def _finish(self) -> None:
        self._is_over = True
        self._raw.clear()
        self._message = None
