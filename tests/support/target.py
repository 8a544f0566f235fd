"""The application that hostile clients are set upon: it takes, gives, and remembers what it saw."""

import hashlib
import json
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any
from urllib.parse import parse_qs

from tests.support.apps import Message, Receive, Send, answer, live
from tests.support.pacing import think

from prefork import Request, Response

PIECE = 65536  # bytes of what is given at once
BLOCK = bytes(range(256)) * (PIECE // 256)
seen: list[tuple[str, str, str, str, int]] = []  # see `Seen` of the tests; but of /seen and of /


def pieces(mb: int) -> int:
    """How many pieces *mb* megabytes are."""
    return mb * 1_000_000 // PIECE


def expected(mb: int) -> str:
    """The digest of what `/give` gives."""
    digest = hashlib.blake2b()
    for _ in range(pieces(mb)):
        digest.update(BLOCK)
    return digest.hexdigest()


class Taken:
    """What came of a body: its digest and its length, taken at *rate* bytes a second at most."""

    def __init__(self, rate: float) -> None:
        self._digest = hashlib.blake2b()
        self._rate = rate
        self._length = 0
        self._began = monotonic()

    async def take(self, piece: bytes) -> None:
        self._digest.update(piece)
        self._length += len(piece)
        await think(max(0.0, self._began + self._length / self._rate - monotonic()))

    def told(self) -> bytes:
        return f"{self._digest.hexdigest()} {self._length}".encode()


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Serve by ASGI: /take?rate= a body, /give?mb= megabytes, /whole?mb= in one, /seen; or ok."""
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    query = parse_qs(scope["query_string"].decode())
    if scope["path"] == "/take":
        taken, more = Taken(float(query["rate"][0])), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            await taken.take(message["body"])
            more = message["more_body"]
        await answer(send, taken.told())
    elif scope["path"] == "/give":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(pieces(int(query["mb"][0]))):
            await send({"type": "http.response.body", "body": BLOCK, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    elif scope["path"] == "/whole":
        await answer(send, bytes(int(query["mb"][0]) * 1_000_000))
    elif scope["path"] == "/seen":
        told, seen[:] = json.dumps(seen).encode(), []
        await answer(send, told)
    else:
        body = await whole(receive)
        if body is None:
            return
        if scope["path"] != "/":
            front = dict(scope["headers"]).get(b"x-front", b"").decode("latin-1")
            noted = scope["method"], scope["path"], body.decode("latin-1"), front
            seen.append((*noted, scope["client"][1]))
        await answer(send, scope["path"].encode())


async def whole(receive: Receive) -> bytes | None:
    """Return the body; None if it was never complete."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message["body"]
        more = message["more_body"]
    return body


async def handler(request: Request) -> Any:
    """Serve the same by a handler, but for /seen."""
    if request.path == "/take":
        taken = Taken(float(request.query["rate"]))
        async for piece in request:
            await taken.take(piece)
        return taken.told()
    if request.path == "/give":
        return Response(given(int(request.query["mb"])))
    if request.path == "/whole":
        return bytes(int(request.query["mb"]) * 1_000_000)
    await request.body()
    return request.path


async def given(mb: int) -> AsyncIterator[bytes]:
    for _ in range(pieces(mb)):
        yield BLOCK
