"""The application that process tests serve: it tells its pid, and misbehaves when asked to."""

import itertools
import os
import signal
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from tests.support.pacing import hold, think

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
FOREVER = 3600.0


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Answer with the pid, after having behaved as the path asks."""
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    await read(receive)
    if scope["path"] == "/begun":
        await begin(send)
    await behave(scope["path"], parse_qs(scope["query_string"].decode()))
    await answer(send, str(os.getpid()).encode())


async def behave(path: str, query: dict[str, list[str]]) -> None:
    if path == "/slow":
        tell("slow")
        await think(float(query["seconds"][0]))
    elif path in ("/endless", "/begun"):
        tell(path[1:])
        await think(FOREVER)
    elif path == "/fork":
        fork()
        await think(FOREVER)
    elif path == "/wedge":
        tell("wedged")
        while True:
            pass
    elif path == "/crowd":
        crowd()
    elif path == "/nap":
        tell("naps")
        hold(float(query["seconds"][0]))  # it blocks the loop, and lets other threads run
    elif path == "/hold":
        tell("holds")
        sum(itertools.repeat(0, 10**15))  # in C: no other thread gets the interpreter


async def live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            tell("shut down")
            return


async def read(receive: Receive) -> None:
    more = True
    while more:
        more = (await receive()).get("more_body", False)


async def begin(send: Send) -> None:
    """Send half of an answer."""
    headers = [(b"content-length", b"10")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"half.", "more_body": True})


async def answer(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def fork() -> None:
    """Leave a child behind that holds every connection of this process open."""
    if child := os.fork():
        tell(f"forked {child}")
    else:
        signal.pause()


def crowd() -> None:
    """Hang, while children of the same session take all cores: nice counts within one alone."""
    for _ in range(8):
        if os.fork() == 0:
            while True:
                pass
    os.setpriority(os.PRIO_PROCESS, 0, 19)  # this thread
    tell("crowded")
    while True:
        pass


def tell(what: str) -> None:
    """Say on standard error what this process is about to do, in one write."""
    os.write(2, f"app: {what} in {os.getpid()}\n".encode())
