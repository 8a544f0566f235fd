"""Requests that are numbered, so that a log can be checked for each of them."""

import re
import socket
from types import TracebackType
from typing import Self

BATCH = 50  # requests that are on their way on one connection
PATIENCE = 20.0  # seconds
ANSWERED = b"HTTP/1.1 200 OK\r\n"
LINE = re.compile(
    rb"127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "
    rb'"GET /(\d+) HTTP/1\.1" 200 \d+ "-" "numbered"'
)


class Numbered:
    """Asks for /0, /1 and so on, on some connections in turn, and has each answered."""

    def __init__(self, port: int, connections: int = 8) -> None:
        address = ("127.0.0.1", port)
        self._ends = [socket.create_connection(address, PATIENCE) for _ in range(connections)]
        self.asked = 0

    def ask(self, count: int) -> None:
        """Ask for the next *count* numbers, and wait for all answers."""
        end = self.asked + count
        while self.asked < end:
            sent = [self._send(sock, min(BATCH, end - self.asked)) for sock in self._ends]
            for sock, expected in zip(self._ends, sent, strict=True):
                _await(sock, expected)

    def _send(self, sock: socket.socket, count: int) -> int:
        head = b" HTTP/1.1\r\nHost: a\r\nUser-Agent: numbered\r\n\r\n"
        numbers = range(self.asked, self.asked + count)
        sock.sendall(b"".join(b"GET /%d%b" % (number, head) for number in numbers))
        self.asked += count
        return count

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for sock in self._ends:
            sock.close()


def _await(sock: socket.socket, count: int) -> None:
    """Read so many answers; the last must be complete."""
    seen = b""
    while seen.count(ANSWERED) < count or not _is_complete(seen):
        data = sock.recv(1 << 18)
        assert data, f"the connection ended after {seen[-500:]!r}"
        seen += data
    assert seen.count(b"HTTP/1.1 ") == count, seen[:500]


def _is_complete(seen: bytes) -> bool:
    if not seen:
        return True
    head, _, body = seen[seen.rindex(ANSWERED) :].partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    return length is not None and len(body) == int(length[1])


def numbers(log: bytes) -> list[int]:
    """Return the numbers in a log of such requests alone. Every line must be whole."""
    assert log.endswith(b"\n"), log[-300:]
    found = []
    for line in log[:-1].split(b"\n"):
        told = LINE.fullmatch(line)
        assert told, line
        found.append(int(told[1]))
    return found
