"""An application whose workers publish, say what they heard, and ask one another."""

import asyncio
import json
import os
from dataclasses import asdict
from typing import Any

from prefork import cluster

heard: list[int] = []


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    _, verb, *words = scope["path"].split("/")
    told = json.dumps(await VERBS[verb](*words)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": told})


async def live(receive: Any, send: Any) -> None:
    await receive()
    await cluster.subscribe("numbers", heard.append)
    await cluster.respond("pid", lambda _: os.getpid())
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def who() -> int:
    return os.getpid()


async def publish(first: str, last: str) -> None:
    """Return when all are published."""
    numbers = range(int(first), int(last))
    await asyncio.gather(*(cluster.publish("numbers", number) for number in numbers))


async def tell() -> list[int]:
    return heard


async def ask(seconds: str) -> dict[str, Any]:
    return asdict(await cluster.request_all("pid", None, float(seconds)))


VERBS: dict[str, Any] = {"who": who, "publish": publish, "tell": tell, "ask": ask}
