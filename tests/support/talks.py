"""The application that process tests talk to over WebSockets."""

import asyncio

from tests.support.apps import Message, Receive, Send, answer, live, read, tell

PIECE = 16 * 1024
TOTAL = {"sent": 0}  # bytes, by all of this worker's floods


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Talk as the path asks; a plain request is told how much was sent."""
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["type"] == "http":
        await read(receive)
        await answer(send, b"%d" % TOTAL["sent"])
    else:
        await receive()
        await send({"type": "websocket.accept"})
        await TALKS[scope["path"]](receive, send)


async def echo(receive: Receive, send: Send) -> None:
    """Send back what comes, and tell how it ended."""
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})
    tell(f"disconnected {message['code']}")


async def flood(_receive: Receive, send: Send) -> None:
    """Send without end."""
    while True:
        await send({"type": "websocket.send", "bytes": bytes(PIECE)})
        TOTAL["sent"] += PIECE


async def deaf(_receive: Receive, _send: Send) -> None:
    """Receive nothing, and never end."""
    tell("deaf")
    await asyncio.Event().wait()


TALKS = {"/echo": echo, "/flood": flood, "/deaf": deaf}
