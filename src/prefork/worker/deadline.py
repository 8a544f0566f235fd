"""What a worker finishes before it ends: all of it by a deadline, which may be moved."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from prefork import log
from prefork.errors import ExitCode
from prefork.worker.link import Link
from prefork.worker.server import Server

FLUSH = 0.1  # seconds for the last answers after the deadline, and for threads to end


async def drain(servers: Sequence[Server], link: Link) -> int:
    """Wait until every connection is done; at the deadline cut what is left."""
    loop = asyncio.get_running_loop()
    while left := [each.drained for each in servers if not each.drained.done()]:
        assert link.stop_by is not None
        if not link.hands_back:
            for each in servers:
                each.end_hand_back()
        if loop.time() >= link.stop_by:
            return await _cut(servers, left)
        await link.until_told(*left, by=link.stop_by)
    for each in servers:
        each.publish()
    return ExitCode.OK


async def _cut(servers: Sequence[Server], left: list["asyncio.Future[None]"]) -> int:
    lost = sum(each.cut() for each in servers)
    log.warning("requests_cut", requests=lost)
    await asyncio.wait(left, timeout=FLUSH)
    for each in servers:
        each.end_drain()
        each.publish()
    return ExitCode.CUT if lost else ExitCode.OK


async def shut_down(shutdown: Coroutine[Any, Any, None], link: Link, code: int) -> int:
    """Run a lifespan's shutdown; return *code*, or that work was cut."""
    if await within(link, shutdown):
        return code
    log.error("shutdown_cut", reason="the lifespan's shutdown did not end by the deadline")
    return ExitCode.CUT


async def within(link: Link, work: Coroutine[Any, Any, None]) -> bool:
    """Run it as a task of its own. However it ends, the drain goes on. False: it was cut."""
    loop = asyncio.get_running_loop()
    task, least = loop.create_task(work), loop.time() + FLUSH
    while not task.done():
        assert link.stop_by is not None
        by = max(link.stop_by, least)
        if loop.time() >= by:
            task.cancel()
            await asyncio.wait([task], timeout=FLUSH)
            return False
        await link.until_told(task, by=by)
    if not task.cancelled():
        task.result()  # ours alone could raise here
    return True
