"""One WebSocket that says exactly how it failed, and when it was closed in an orderly way."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from tests.http.frames import CLOSE, KEY, PING, PONG, TEXT, frame
from tests.support.wire import Kind, UnservedError, Wire

HANDSHAKE = (
    b"GET /talk HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n\r\n"
)
ORDERLY = {1001, 1012}  # going away, service restart: the client is to come again


class Talker(Wire):
    """Connect it, open it, and say something again and again."""

    async def open(self) -> None:
        """Shake hands. Raises UnservedError."""
        with named():
            async with asyncio.timeout(self._timeout):
                await self._send(HANDSHAKE)
                while (end := self._received.find(b"\r\n\r\n")) < 0:
                    await self._receive()
        head, self._received = self._received[:end], self._received[end + 4 :]
        if not head.startswith(b"HTTP/1.1 101 "):
            raise UnservedError(Kind.STATUS)

    async def say(self, text: bytes) -> bytes | None:
        """Return the answer to *text*; None where the server closes. Raises UnservedError.

        What it has not answered when it closes it never will, and the close has said so.
        """
        with named():
            async with asyncio.timeout(self._timeout):
                await self._send(frame(TEXT, text))
                while True:
                    opcode, payload = await self._frame()
                    if opcode == TEXT:
                        return payload
                    if opcode == CLOSE:
                        await self._send(frame(CLOSE, payload))
                        if int.from_bytes(payload[:2]) not in ORDERLY:
                            raise UnservedError(Kind.STATUS)
                        return None
                    if opcode == PING:
                        await self._send(frame(PONG, payload))

    async def _frame(self) -> tuple[int, bytes]:
        """Read a short one."""
        while len(self._received) < 2 or len(self._received) < 2 + self._received[1]:
            await self._receive()
        end = 2 + self._received[1]
        opcode, payload = self._received[0] & 0x0F, self._received[2:end]
        self._received = self._received[end:]
        return opcode, payload

    async def _send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, data)


@contextmanager
def named() -> Iterator[None]:
    """Tell failures apart. An end of file without a close frame is one."""
    try:
        yield
    except TimeoutError:
        raise UnservedError(Kind.TIMEOUT) from None
    except (ConnectionResetError, BrokenPipeError):
        raise UnservedError(Kind.RESET) from None
