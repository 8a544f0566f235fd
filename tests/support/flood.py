"""One client that sends more than anybody wants, and what becomes of it."""

import select
import socket
from dataclasses import dataclass
from enum import StrEnum
from itertools import repeat

from tests.support.wire import source

PIECE = 65536  # bytes of what is sent at once
STALLED = 2.0  # seconds in which nothing more could be sent, to a server that waits for us to read
MORE = 0.2  # seconds for more of an answer, or for the end after it
PATIENCE = 60.0  # seconds


class End(StrEnum):
    CLOSED = "closed"  # by the server, in an orderly way
    RESET = "reset"
    HELD = "held"  # the server reads nothing more
    OPEN = "open"  # all was sent and taken, and nothing was answered in time


@dataclass(frozen=True, slots=True)
class Outcome:
    end: End
    sent: int
    received: bytes  # the beginning

    @property
    def status(self) -> int:
        """Of the first answer; 0 where there is none."""
        return int(self.received[9:12]) if self.received else 0

    @property
    def statuses(self) -> list[int]:
        """Of all answers in the beginning."""
        return [int(each[:3]) for each in self.received.split(b"HTTP/1.1 ")[1:]]


@dataclass(frozen=True, slots=True)
class Flood:
    """First `first`, then `unit` again and again up to `size` bytes, then `last`."""

    first: bytes
    unit: bytes
    size: int
    last: bytes = b""
    is_deaf: bool = False  # it reads no answer while it sends
    wait: float = 5.0  # seconds for an answer, or the end, after all was sent


def pour(port: int, flood: Flood, number: int = 0) -> Outcome:
    """Send it all, as far as the server lets us, and wait for the end."""
    with socket.socket() as sock:
        sock.bind((source(number), 0))
        sock.connect(("127.0.0.1", port))
        sock.setblocking(False)
        return _Pouring(sock, flood).run()


class _Pouring:
    def __init__(self, sock: socket.socket, flood: Flood) -> None:
        self._sock = sock
        self._flood = flood
        self._sent = 0
        self._received = b""

    def run(self) -> Outcome:
        flood = self._flood
        try:
            self._send(flood.first)
            piece = flood.unit * max(1, PIECE // len(flood.unit))
            for each in repeat(piece, max(1, flood.size // len(piece)) if flood.size else 0):
                self._send(each)
            self._send(flood.last)
            self._read(flood.wait)
            return self._outcome(End.OPEN)
        except EOFError:
            return self._outcome(End.CLOSED)
        except (ConnectionResetError, BrokenPipeError):
            self._take_rest()
            return self._outcome(End.RESET)
        except TimeoutError:
            return self._outcome(End.HELD)

    def _outcome(self, end: End) -> Outcome:
        return Outcome(end, self._sent, self._received)

    def _send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            wanted = select.POLLOUT if self._flood.is_deaf else select.POLLOUT | select.POLLIN
            ready = self._poll(wanted, STALLED if self._flood.is_deaf else PATIENCE)
            if not ready:
                raise TimeoutError
            if ready & select.POLLIN:
                self._receive()
            if ready & (select.POLLOUT | select.POLLERR | select.POLLHUP):
                count = self._sock.send(rest)
                self._sent += count
                rest = rest[count:]

    def _read(self, seconds: float) -> None:
        while self._poll(select.POLLIN, seconds):
            self._receive()
            seconds = min(seconds, MORE)

    def _take_rest(self) -> None:
        """What came before the reset; the kernel keeps it only sometimes."""
        try:
            self._read(0)
        except (OSError, EOFError):
            return

    def _receive(self) -> None:
        data = self._sock.recv(PIECE)
        if not data:
            raise EOFError
        self._received = (self._received + data)[:PIECE]

    def _poll(self, wanted: int, seconds: float) -> int:
        poll = select.poll()
        poll.register(self._sock, wanted)
        return next((event for _, event in poll.poll(seconds * 1000)), 0)
