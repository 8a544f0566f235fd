"""An application whose workers do what the primary's messages, or their requests' queries, say."""

import asyncio
import json
import os
import sys
import time
from typing import Any
from urllib.parse import parse_qsl

from tests.support.apps import Receive, Send, answer, read, tell

from prefork.worker import member
from prefork.worker.member import Member

LARGE = 800_000  # bytes


def me() -> Member:
    assert member.current is not None, "this is no worker"
    return member.current


@me().on_message
async def heed(order: dict[str, Any], fds: list[int]) -> None:
    """Do what the primary says; the application's import has registered it."""
    for each in fds:
        os.close(each)
    match order["do"]:
        case "report":
            me().send({"slot": me().slot, "number": order["number"], "fds": len(fds)})
        case "measure":
            times = sorted([await trip(order) for _ in range(order["count"])])
            me().send({"trips": {str(p): times[len(times) * p // 100] for p in (50, 99)}})
        case "wedge":
            tell("wedged")
            while True:
                pass
        case "flood":
            await flood(order["bytes"], waits=order["waits"])
        case "misbehave":
            post = me()._letters.mailbox._post
            os.write(post.fileno(), b"GET / HTTP/1.1\r\n\r\n")
        case "vanish":
            for _ in range(100):
                me().send("last", [0, 1])
            os._exit(3)
        case "disconnect":
            await me().disconnect()
            tell("acknowledged")
        case what:
            raise ValueError(what)


@me().on_request
def answer_request(order: dict[str, Any]) -> dict[str, Any]:
    return {"slot": me().slot, "pid": me().pid, "asked": order}


async def trip(order: dict[str, int]) -> float:
    """Ask the primary; return the seconds until the answer was there."""
    question = bytes(order["size"]) if order["size"] else "ping"
    before = time.perf_counter()
    await me().request(question, 5, [0] * order["fds"])
    return time.perf_counter() - before


async def flood(size: int, *, waits: bool) -> None:
    """Send so many bytes, as fast as may be; *waits*: while there is no room."""
    for _ in range(size // 1000):
        if not me().send({"flood": bytes(1000)}) and waits:
            await me().drain()
    await me().drain()
    me().send({"flooded": await me().request("how many", 30)})


async def send_large() -> bool:
    """Send 800 KB and the end of a pipe in one message; return whether both came."""
    reading, writing = os.pipe()
    length = await me().request(bytes(LARGE), 5, [writing])
    os.close(writing)
    seen = os.read(reading, 100)
    os.close(reading)
    return bool(length == LARGE and seen)


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    await read(receive)
    query = dict(parse_qsl(scope["query_string"].decode()))
    order = {key: int(value) if value.isdigit() else value for key, value in query.items()}
    result: object = None
    match scope["path"]:
        case "/send":
            result = me().send(order)
        case "/large":
            result = await send_large()
        case "/thread":
            result = await asyncio.to_thread(
                lambda: me().send(order) and me().call(me().request("from a thread", 5), 5)
            )
        case _:
            result = me().slot
    await answer(send, json.dumps(result).encode())


async def live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            sys.stdout.write(f"last words of {me().slot}")  # and no flush
            me().send({"bye": me().slot})
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
