"""Applications of each interface that take too long where the path asks for it."""

import threading
from typing import Any

from tests.support.apps import FOREVER, answer, live, tell
from tests.support.pacing import think

from prefork import Request, extend_timeout

_never = threading.Event()


async def _wait(path: str) -> None:
    if path == "/more":
        extend_timeout(FOREVER)
    if path != "/":
        tell("waits")
        await think(FOREVER)


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    await _wait(scope["path"])
    await answer(send, b"in time")


async def handler(request: Request) -> str:
    await _wait(request.path)
    return "in time"


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    if environ["PATH_INFO"] == "/more":
        extend_timeout(FOREVER)
    if environ["PATH_INFO"] != "/":
        tell("waits")
        _never.wait(FOREVER)
    start_response("200 OK", [])
    return [b"in time"]
