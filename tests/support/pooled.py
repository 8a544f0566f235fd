"""Applications that give their work to the pool, as handler, for FastAPI and for Flask."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from flask import Flask
from flask import request as flask_request
from tests.pool import work

from prefork import Request, pool


async def handler(request: Request) -> Any:
    """Do what the path says."""
    query = request.query
    if request.path == "/many":
        return await many(int(query["count"]), float(query["seconds"]), query["path"])
    if request.path == "/read":
        return await pool.run(read, query["path"])
    if request.path == "/light":
        return "light"
    if request.path == "/group":
        return await grouped()
    await give(request.path, query)
    return str(await pool.run(work.pid))


async def give(path: str, query: dict[str, str]) -> None:
    """Have the pool do a task of `tests.pool.work`."""
    if path == "/die":
        await pool.run(getattr(work, query["how"]), int(query["status"]))
    elif path in ("/tidy", "/hold"):
        await pool.run(getattr(work, path[1:]), query["path"])
    elif path == "/pause":
        await pool.run(work.pause, float(query["seconds"]))
    elif path == "/late":
        await pool.run(work.pause, 60.0, timeout=0.1)


async def grouped() -> str:
    """Run a task within a group, which wraps what it raises."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(pool.run(work.pid))
    return str(task.result())


async def many(count: int, seconds: float, path: str) -> dict[str, Any]:
    """Run so many tasks at a time; each notes its number. Tell what came of them."""
    tasks = [pool.run(work.pause, seconds, path, str(number)) for number in range(count)]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    kinds = Counter(
        type(each).__name__ if isinstance(each, BaseException) else "done" for each in outcomes
    )
    lost = [n for n, each in enumerate(outcomes) if isinstance(each, BaseException)]
    return {"kinds": kinds, "lost": lost}


fast = FastAPI()
flask = Flask("pooled")


@fast.get("/read")
async def fast_read(path: str) -> str:
    return await pool.run(read, path)


@flask.get("/read")
def flask_read() -> str:
    return pool.run_sync(read, flask_request.args["path"])


def read(path: str) -> str:
    """Read a file; a fifo has an end when whoever writes to it has closed it."""
    return Path(path).read_text()
