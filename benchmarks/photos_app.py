"""`examples/thumbnails.py`, with something small beside: who asks for that wants JSON."""

from typing import Any

from examples.thumbnails import app
from starlette.responses import JSONResponse
from starlette.routing import Route

ITEM = {"id": 4711, "name": "a thing as shops have them", "price": 12.5, "tags": ["new", "blue"]}


async def item(_request: Any) -> JSONResponse:
    return JSONResponse(ITEM)


app.routes.append(Route("/json", item))
