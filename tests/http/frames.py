"""Frames as a client sends them, and what the server's are when they are read back."""

import zlib
from collections.abc import Iterator

from prefork.http.limits import WebSocketLimits
from prefork.http.rules import Field
from prefork.http.websocket import Closed, Event, WebSocket

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455, section 1.3
HANDSHAKE: list[Field] = [
    (b"host", b"a"),
    (b"connection", b"Upgrade"),
    (b"upgrade", b"websocket"),
    (b"sec-websocket-key", KEY),
    (b"sec-websocket-version", b"13"),
]
DEFLATE: Field = (b"sec-websocket-extensions", b"permessage-deflate; client_max_window_bits")
MASK = b"\x01\x02\x03\x04"


def frame(  # noqa: PLR0913 - as many as a frame has parts
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length_bytes: int = 0,
) -> bytes:
    """A frame; *length_bytes* of 2 or 8 is a longer form than is needed."""
    size = len(payload)
    wide = length_bytes or (0 if size < 126 else 2 if size < 65536 else 8)
    mark = {0: size, 2: 126, 8: 127}[wide]
    head = bytes([(0x80 if fin else 0) | reserved | opcode, (0x80 if masked else 0) | mark])
    head += size.to_bytes(wide, "big") if wide else b""
    return head + MASK + mask(payload) if masked else head + payload


def mask(payload: bytes) -> bytes:
    repeated = (MASK * (len(payload) // 4 + 1))[: len(payload)]
    size = len(payload)
    return (int.from_bytes(payload) ^ int.from_bytes(repeated)).to_bytes(size)


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    return frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason)


def deflated(data: bytes, level: int = 6) -> bytes:
    """As RFC 7692, section 7.2.1 has it."""
    packer = zlib.compressobj(level, wbits=-12)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def websocket(*extra: Field, most: int = 1 << 24, deflate: bool = True) -> WebSocket:
    limits = WebSocketLimits(message=most, deflate=deflate, ping_interval=20, ping_timeout=20)
    return WebSocket([*HANDSHAKE, *extra], limits)


class Heard:
    """What came of bytes that were fed: events, and the frames that were answered."""

    def __init__(self, socket: WebSocket, *pieces: bytes) -> None:
        self.socket = socket
        self.events: list[Event] = []
        self.answers: list[tuple[int, bytes]] = []
        for piece in pieces:
            self.feed(piece)

    def feed(self, data: bytes) -> None:
        self.socket.feed(data)
        while True:
            event = self.socket.event()
            if event is not None:
                self.events.append(event)
            elif not self.socket.is_interrupted:
                break
        self.answers += read_back(self.socket.output())

    @property
    def closed(self) -> int:
        """The code with which it ended; 0 where it hasn't."""
        last = self.events[-1] if self.events else None
        return last.code if isinstance(last, Closed) else 0


def heard(*pieces: bytes, most: int = 1 << 24) -> Heard:
    return Heard(websocket(most=most), *pieces)


def squeezed(*pieces: bytes, most: int = 1 << 24) -> Heard:
    """The same, where permessage-deflate was agreed on."""
    return Heard(websocket(DEFLATE, most=most), *pieces)


def read_back(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Opcode and payload of the frames that a server wrote: whole, and not masked."""
    while data:
        size, at = data[1], 2
        if size >= 126:
            wide = 2 if size == 126 else 8
            size, at = int.from_bytes(data[2 : 2 + wide], "big"), 2 + wide
        yield data[0] & 0x0F, data[at : at + size]
        data = data[at + size :]
