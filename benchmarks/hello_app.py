"""What every server is measured with, as ASGI and as a handler."""

from typing import Any

HELLO = b"Hello, world!"
HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"13")]


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await live(receive, send)
    else:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": HELLO})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Send back what was received."""
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    pieces = []
    while True:
        message = await receive()
        pieces.append(message["body"])
        if not message["more_body"]:
            break
    body = b"".join(pieces)
    length = (b"content-length", str(len(body)).encode())
    headers = [(b"content-type", b"application/json"), length]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def handler(request: Any) -> str:  # noqa: ARG001 - it asks for nothing
    return "Hello, world!"


async def live(receive: Any, send: Any) -> None:
    """Take part in the lifespan; there is nothing to start."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
