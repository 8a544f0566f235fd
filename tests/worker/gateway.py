"""Requests and applications that the tests of WSGI have in common."""

# ruff: noqa: ARG001 - an application takes what the protocol gives

import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

from tests.worker.rig import Client

Start = Callable[..., Callable[[bytes], None]]
Environ = dict[str, Any]
LENGTH_5 = [("Content-Length", "5")]


def get(path: str, *fields: str, method: str = "GET") -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: a", *fields, "", "")).encode()


def post(body: bytes, *, announced: int | None = None) -> bytes:
    size = len(body) if announced is None else announced
    return get("/", f"Content-Length: {size}", method="POST") + body


def hello(environ: Environ, start: Start) -> list[bytes]:
    start("200 OK", [("Content-Type", "text/plain"), *LENGTH_5])
    return [b"hello"]


def answering(*pieces: bytes, status: str = "200 OK", headers: Any = ()) -> Any:
    """An application that yields these."""

    def app(environ: Environ, start: Start) -> Iterator[bytes]:
        start(status, list(headers))
        yield from pieces

    return app


def reset(client: Client) -> None:
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
