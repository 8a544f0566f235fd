"""One raw client connection that says exactly how it failed."""

import asyncio
import errno
import re
import socket
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h; the socket module has no name for it before 3.12
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)
LONGEST_HEAD = 65536


class Kind(StrEnum):
    REFUSED = "refused"
    UNCONNECTED = "connect failed otherwise"
    CONNECT_TIMEOUT = "connect timed out"
    RESET = "reset before the answer"
    EOF = "end of file before the answer"
    CUT = "answer cut short"
    TIMEOUT = "no answer in time"
    STATUS = "other than 200"


class UnservedError(Exception):
    """A request was not served, and *kind* says how."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind.value)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    closes: bool


def source(number: int) -> str:
    """Return one of 60,000 loopback addresses, so that ports in TIME_WAIT stay out of the way."""
    return f"127.0.{1 + number // 250 % 240}.{1 + number % 250}"


class Wire:
    """A connection to *peer*, from *origin* unless that is empty. Never retries."""

    def __init__(self, peer: tuple[str, int], origin: str, *, timeout: float) -> None:
        self._peer = peer
        self._timeout = timeout
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        self._socket.bind((origin, 0))
        self._received = b""

    @property
    def local(self) -> str:
        host, port = self._socket.getsockname()
        return f"{host}:{port}"

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout):
                await loop.sock_connect(self._socket, self._peer)
        except TimeoutError:
            raise UnservedError(Kind.CONNECT_TIMEOUT) from None
        except ConnectionRefusedError:
            raise UnservedError(Kind.REFUSED) from None
        except OSError as error:
            timed_out = error.errno == errno.ETIMEDOUT
            raise UnservedError(Kind.CONNECT_TIMEOUT if timed_out else Kind.UNCONNECTED) from error

    def has_ended(self) -> bool:
        """Whether the server has closed it, while nothing was asked."""
        try:
            return not self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            raise UnservedError(Kind.RESET) from None

    async def ask(self, request: bytes) -> Answer:
        """Send *request* and return its answer, which must be a 200 with a content-length."""
        self._received = b""
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._exchange(request)
        except TimeoutError:
            raise UnservedError(Kind.TIMEOUT) from None
        except (ConnectionResetError, BrokenPipeError):
            raise UnservedError(Kind.CUT if self._received else Kind.RESET) from None
        if answer.status != 200:
            raise UnservedError(Kind.STATUS)
        return answer

    async def _exchange(self, request: bytes) -> Answer:
        await asyncio.get_running_loop().sock_sendall(self._socket, request)
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            assert len(self._received) < LONGEST_HEAD
            await self._receive()
        head, start = self._received[: end + 2], end + 4
        length = LENGTH.search(head)
        assert length, f"an answer without content-length: {head!r}"
        while len(self._received) < start + int(length[1]):
            await self._receive()
        return Answer(int(head[9:12]), self._received[start:], CLOSE.search(head) is not None)

    async def _receive(self) -> None:
        data = await asyncio.get_running_loop().sock_recv(self._socket, 65536)
        if not data:
            raise UnservedError(Kind.CUT if self._received else Kind.EOF)
        self._received += data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._socket.close()
