"""Threads as an engine: what they alone promise."""

import asyncio
import json
import threading
from pathlib import Path

import pytest
from tests.pool import work
from tests.pool.rigs import SIZE, Terms, threads
from tests.support import pacing

from prefork import log
from prefork.pool import TaskTimeout


def test_nothing_is_copied_and_any_function_will_do() -> None:
    async def scenario() -> None:
        async with threads(Terms()) as pool:
            inert = work.Inert()
            assert await pool.run(lambda: inert) is inert

    asyncio.run(scenario())


def test_a_thread_whose_task_does_not_end_is_abandoned_and_the_log_names_the_function(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with threads(Terms(grace=0.1)) as pool:
            path = tmp_path / "log"
            with pytest.raises(TaskTimeout, match="work:ignore ran for over"):
                await pool.run(work.ignore, str(path), 2.5, timeout=0.1)
            await pacing.think(0.3)
            assert pool.stats().running == 0
            assert len(set(await pool.broadcast(threading.get_ident))) == SIZE
            await pacing.think(2.5)  # until it ends at last, which changes nothing
            assert pool.stats().running == 0
            assert await pool.run(work.give, 1) == 1

    monkeypatch.setattr(log, "_log", log.Log())
    log.configure("info", "json")
    asyncio.run(scenario())
    (event,) = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert event["event"] == "pool_thread_abandoned"
    assert event["function"] == "tests.pool.work:ignore"
    assert event["reason"] == "it ran for too long, and did not end within 0.1 s"


def test_a_closed_pool_leaves_no_thread() -> None:
    async def scenario() -> None:
        before = set(threading.enumerate())  # of which some may end meanwhile
        async with threads(Terms()) as pool:
            await pool.broadcast(work.pid)
            assert len(set(threading.enumerate()) - before) == SIZE
        while set(threading.enumerate()) - before:
            await pacing.think(0.002)

    asyncio.run(asyncio.wait_for(scenario(), 10))
