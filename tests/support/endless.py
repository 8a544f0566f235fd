"""Applications of each interface that answer without end, and say how much they were asked for."""

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

from prefork import Request, Response

PIECE = bytes(65536)
asked = itertools.count()  # it is shown by `asked_for`


def asked_for() -> bytes:
    """Say how many pieces were made, and by whom."""
    return f"{os.getpid()} {asked.__reduce__()[1][0]}".encode()


def pieces() -> Iterator[bytes]:
    while True:
        next(asked)
        yield PIECE


async def handler(request: Request) -> Response:
    async def endless() -> AsyncIterator[bytes]:
        for piece in pieces():
            yield piece

    return Response(endless() if request.path == "/endless" else asked_for())


def wsgi(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [])
    return pieces() if environ["PATH_INFO"] == "/endless" else iter([asked_for()])


async def asgi(scope: Any, _receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        raise NotImplementedError
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for piece in pieces() if scope["path"] == "/endless" else ():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": asked_for()})
