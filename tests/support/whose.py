"""Applications of both interfaces that say who asked, by which scheme, on which connection."""

import json
import os
from typing import Any

from prefork import Request


async def handler(request: Request) -> dict[str, Any]:
    return {"client": request.client, "scheme": request.scheme, "pid": os.getpid()}


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        raise NotImplementedError
    await receive()
    told = {"client": scope["client"], "scheme": scope["scheme"], "server": scope["server"]}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


async def variable(request: Request) -> str:
    """Say what the environment has under the path's name."""
    return os.getenv(request.path[1:], "nothing")
