"""An application that writes down while it leads: `PID SECONDS`, fifty times a second."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from prefork import cluster

BEAT = 0.02  # seconds


async def lead(path: str) -> None:
    while True:
        await cluster.worker.leader()
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        while cluster.worker.is_leader:
            os.write(file, f"{os.getpid()} {time.monotonic()}\n".encode())
            await asyncio.sleep(BEAT)
        os.close(file)
        return  # a worker that has led once is about to go


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    leading = asyncio.create_task(lead(os.getenv("DIARY", "")))
    yield
    leading.cancel()


async def wedge(_: Request) -> PlainTextResponse:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        pass
    return PlainTextResponse("late")


app = Starlette(routes=[Route("/wedge", wedge)], lifespan=lifespan)
