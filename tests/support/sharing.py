"""An application that does to shared memory what it is asked to."""

import asyncio
import os
from collections.abc import Callable
from functools import partial
from inspect import isawaitable
from typing import Any

from prefork import Request, SharedArray, SharedCounter, pool
from prefork.errors import SharedMemoryError

hits = SharedCounter("hits")
flags = SharedArray("flags", "i", 4)
imports = SharedCounter("imports")
imports.add()  # so it is attached before any worker is forked


def add_in_pool() -> int:
    return hits.add()


async def wait(place: str) -> Any:
    return await flags.wait(int(place), 0)


def set_flag(place: str) -> Any:
    flags.store(int(place), os.getpid())
    flags.notify(int(place))
    return flags[int(place)]


def first(key: str, length: str) -> Any:
    try:
        return SharedArray(key, "q", int(length))[0]
    except SharedMemoryError as error:
        return str(error)


DOES: dict[str, Callable[..., Any]] = {
    "add": hits.add,
    "thread": partial(asyncio.to_thread, hits.add),
    "pool": partial(pool.run, add_in_pool),
    "imports": lambda: imports.value,
    "wait": wait,
    "set": set_flag,
    "size": first,
}


async def handler(request: Request) -> dict[str, Any]:
    name, *arguments = request.path.strip("/").split("/")
    value = DOES[name](*arguments)
    return {"pid": os.getpid(), "value": await value if isawaitable(value) else value}
