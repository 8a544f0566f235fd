"""Workers that publish at a rate, and count what they hear."""

import asyncio
import json
from typing import Any

from prefork import cluster

MESSAGE = {"user": 4711, "text": "a message as a chat has them, and not longer"}
TURN = 0.02  # seconds; so often the next ones are published

heard: list[int] = [0]


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    _, verb, *words = scope["path"].split("/")
    told = await publish(*map(float, words)) if verb == "publish" else heard[0]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


async def live(receive: Any, send: Any) -> None:
    await receive()
    await cluster.subscribe("bench", count)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def count(_message: object) -> None:
    heard[0] += 1


async def publish(rate: float, seconds: float) -> int:
    """Publish *rate* messages a second; return how many were acknowledged."""
    loop = asyncio.get_running_loop()
    begin, done = loop.time(), 0
    while (now := loop.time()) - begin < seconds:
        due = int(rate * (now - begin)) - done
        await asyncio.gather(*(cluster.publish("bench", MESSAGE) for _ in range(due)))
        done += due
        await asyncio.sleep(TURN)
    return done
