"""A callable of any interface: nobody can tell how it is to be called."""

from typing import Any


def anything(*given: Any) -> Any:
    """Answer one argument as a handler does, two as WSGI wants it, three as ASGI does."""
    if len(given) == 2:
        given[1]("200 OK", [])
        return [b"wsgi"]
    return _handled() if len(given) == 1 else _served(*given)


async def _handled() -> str:
    return "handler"


async def _served(scope: Any, _receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        raise NotImplementedError
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"asgi"})
