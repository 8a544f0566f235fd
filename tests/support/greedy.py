"""Applications of each interface that ask for more memory than the process may have."""

import os
import resource
from typing import Any

from tests.support.apps import answer, live

from prefork import Request

MORE = 1 << 30  # bytes


def respond(path: str) -> bytes:
    """The pid, unless there is no memory for what the path asks for."""
    if path == "/greedy":
        limits = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (MORE, limits[1]))
        try:
            return bytes(2 * MORE)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, limits)
    return str(os.getpid()).encode()


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await live(receive, send)
    else:
        await answer(send, respond(scope["path"]))


async def handler(request: Request) -> bytes:
    return respond(request.path)


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    body = respond(environ["PATH_INFO"])
    start_response("200 OK", [])
    return [body]
