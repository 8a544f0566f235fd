"""Blocking requests from a test: one at a time, each on a connection of its own if wanted."""

import http.client
import socket
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from tests.support.wire import source

TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def pid(self) -> int:
        return int(self.body.split()[0])

    @property
    def mark(self) -> str:
        """Of the code that answered."""
        return self.body.decode().partition(" ")[2]


def ask(
    port: int, path: str, *, method: str = "GET", body: bytes | None = None, kind: str = ""
) -> Reply:
    """Ask 127.0.0.1:*port* once; *kind* is the body's content type."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)) as connection:
        connection.request(method, path, body, {"Content-Type": kind} if kind else {})
        return take(connection)


def take(connection: http.client.HTTPConnection) -> Reply:
    """Return the answer to the request that *connection* has sent."""
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Reply(response.status, headers, response.read())


class Caller:
    """A connection that is open before it asks, and stays open after."""

    def __init__(self, port: int, number: int = 0, timeout: float = TIMEOUT) -> None:
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", port, timeout=timeout, source_address=(source(number), 0)
        )
        self._connection.connect()

    @property
    def socket(self) -> socket.socket:
        found: socket.socket = self._connection.sock
        return found

    def send(self, path: str, headers: Mapping[str, str] | None = None) -> None:
        self._connection.request("GET", path, headers=headers or {})

    def reply(self) -> Reply:
        return take(self._connection)

    def ask(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        self.send(path, headers)
        return self.reply()

    def close(self) -> None:
        self._connection.close()
