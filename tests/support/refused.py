"""Applications of several frameworks that ask the pool in every way there is.

One program serves all, each below its name, so that a test has to fill one pool.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path
from fastapi import FastAPI
from litestar import Litestar
from litestar import get as litestar_get
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from tests.pool import work
from tests.support import pooled

from prefork import pool


async def alone() -> str:
    return str(await pool.run(work.pid))


async def gathered() -> str:
    return str(await asyncio.gather(alone(), alone()))


async def grouped() -> str:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(alone()) for _ in range(2)]
    return str(tasks)


async def everywhere() -> str:
    return str(await pool.broadcast(work.pid))


async def caught() -> str:
    """Catches it, and fails for another reason."""
    try:
        return await alone()
    except pool.PoolFull:
        pass
    raise ValueError("no way round")


async def renamed() -> str:
    """Catches it, and raises its own from it."""
    try:
        return await alone()
    except pool.PoolFull as full:
        raise ValueError("no till is free") from full


async def answered() -> str:
    """Catches it, and knows what to say."""
    try:
        return await alone()
    except pool.PoolFull:
        return "later"


def threaded() -> str:
    """A framework calls this in a thread."""
    return str(pool.run_sync(work.pid))


Way = Callable[[], str | Awaitable[str]]
WAYS: dict[str, Way] = {
    each.__name__: each
    for each in (alone, gathered, grouped, everywhere, caught, renamed, answered, threaded)
}


async def bare(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI
    found = WAYS[scope["path"].rpartition("/")[2]]()
    assert not isinstance(found, str), "nobody has a thread here"
    body = (await found).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def of(way: Way, gives: Callable[[str], Any]) -> Any:
    """Make an endpoint that is given a request: plain, or async, as *way* is."""
    if not inspect.iscoroutinefunction(way):
        return lambda _: gives(way())  # type: ignore[arg-type]

    async def endpoint(_: Any) -> Any:
        return gives(await way())

    return endpoint


async def passing(request: Request, call_next: Any) -> Response:
    response: Response = await call_next(request)
    return response


async def too_many(_: Request, full: Exception) -> Response:
    assert isinstance(full, pool.PoolFull)
    return PlainTextResponse("busy", 429)


fast = FastAPI()
handled = FastAPI(exception_handlers={pool.PoolFull: too_many})
for name, way in WAYS.items():
    fast.get(f"/fastapi/{name}")(way)
    handled.get(f"/handled/{name}")(way)
starlette = Starlette(
    routes=[Route(f"/starlette/{n}", of(way, PlainTextResponse)) for n, way in WAYS.items()]
)
below = Starlette(
    routes=[Route(f"/below/{n}", of(way, PlainTextResponse)) for n, way in WAYS.items()],
    middleware=[Middleware(BaseHTTPMiddleware, dispatch=passing)],
)
litestar = Litestar(
    [
        litestar_get(f"/litestar/{n}", sync_to_thread=True if way is threaded else None)(way)
        for n, way in WAYS.items()
    ],
    openapi_config=None,
    logging_config=None,  # which has a thread, so that no template could be forked from
)
settings.configure(
    SECRET_KEY="none",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
)
django.setup()
urlpatterns = [path(f"django/{n}", of(way, HttpResponse)) for n, way in WAYS.items()]

APPS: dict[str, Any] = {
    "bare": bare,
    "starlette": starlette,
    "below": below,
    "fastapi": fast,
    "handled": handled,
    "litestar": litestar,
    "django": get_asgi_application(),
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Whatever has no name of these is for the application that fills the pool."""
    name = scope["path"].split("/")[1] if scope["type"] == "http" else ""
    await APPS.get(name, pooled.fast)(scope, receive, send)
