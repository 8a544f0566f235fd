"""An application whose answers are what functions in its pool have said: /NAME of one below."""

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from tests.support import pacing

from prefork import Request, Response, pool

import numpy  # isort: skip  # loaded before the fork, as many applications do

held = bytearray()  # what the initializer has taken


def warm_up() -> None:
    held.extend(bytes(64 << 20))
    print("app: warm", file=sys.stderr, flush=True)


def fails() -> None:
    raise RuntimeError("no model found")


def hangs() -> None:
    print(f"app: hangs {os.getpid()}", file=sys.stderr, flush=True)
    signal.pause()


def pid() -> int:
    return os.getpid()


def told() -> dict[str, Any]:
    """What this process is, as its own eyes see it."""
    with open("/proc/self/cmdline", "rb") as title:
        named = title.read().rstrip(b"\0").decode()
    return {
        "pid": os.getpid(),
        "title": named,
        "nice": os.nice(0),
        "warm": len(held),
        "drawn": numpy.random.rand(),
        "shares": "tests.support.tasks" in sys.modules,
    }


def hold() -> int:
    """Take 48 MiB for a moment."""
    return len(bytes(48 << 20))


def wait() -> int:
    """Run until somebody makes an end of it."""
    print(f"app: waits {os.getpid()}", file=sys.stderr, flush=True)
    while True:
        pacing.hold(0.01)  # a cancellation is heard between two


FUNCTIONS: dict[str, Callable[[], Any]] = {
    "/pid": pid,
    "/told": told,
    "/hold": hold,
    "/wait": wait,
}


async def app(request: Request) -> Response:
    if request.path == "/":
        return Response(str(os.getpid()).encode())
    try:
        got = await pool.run(FUNCTIONS[request.path])
    except (MemoryError, pool.PoolError) as error:
        got = type(error).__name__
    return Response(json.dumps(got).encode())
