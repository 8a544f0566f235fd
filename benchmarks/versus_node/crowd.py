"""Clients that connect one after the other, ask at once, and all wait for their answers."""

import select
import socket
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.support.wire import source

REQUEST = b"GET /pid HTTP/1.1\r\nHost: crowd\r\nConnection: close\r\n\r\n"
PATIENCE = 5.0  # seconds for a connection


class Crowd:
    """Connections to 127.0.0.1:*port* that have asked, while the context is open."""

    def __init__(self, port: int) -> None:
        self.refused = 0
        self._port = port
        self._waiting: list[socket.socket] = []

    @property
    def size(self) -> int:
        """How many wait for an answer."""
        return len(self._waiting)

    def join(self) -> None:
        """Connect once more, and ask."""
        address = ("127.0.0.1", self._port)
        origin = (source(self.size + self.refused), 0)
        try:
            client = socket.create_connection(address, PATIENCE, origin)
        except ConnectionRefusedError:
            self.refused += 1
        else:
            client.sendall(REQUEST)
            self._waiting.append(client)

    def answered(self, timeout: float) -> int:
        """Wait so many seconds at most; return how many that waited were answered."""
        ends, count = time.monotonic() + timeout, 0
        while self._waiting and (left := ends - time.monotonic()) > 0:
            readable, _, _ = select.select(self._waiting, [], [], left)
            for client in readable:
                count += is_answered(client)
                self._waiting.remove(client)
                client.close()
        return count

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for client in self._waiting:
            client.close()


def is_answered(client: socket.socket) -> bool:
    with suppress(ConnectionResetError):
        return client.recv(4096).startswith(b"HTTP/1.1 200 ")
    return False
