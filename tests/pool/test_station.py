"""Where this process' pool is to be had, and what is said where it isn't."""

import asyncio
import os
from dataclasses import replace
from typing import NoReturn

import pytest
from tests.pool import work

import prefork.pool
from prefork.pool import station
from prefork.pool.client import Pool
from prefork.pool.errors import PoolError
from prefork.pool.station import Surroundings


@pytest.fixture(autouse=True)
def no_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(station, "_pool", None)
    monkeypatch.setattr(station, "_surroundings", None)


def make() -> Pool:
    raise PoolError("it was to be made")


def test_outside_of_a_worker_there_is_no_pool() -> None:
    with pytest.raises(PoolError, match="only in a worker"):
        prefork.pool.run_sync(work.pid)


def test_a_process_that_a_worker_has_forked_has_none() -> None:
    async def scenario() -> None:
        station.settle(replace(Surroundings(make), pid=os.getppid()))
        with pytest.raises(PoolError, match="only in a worker"):
            station.pool()

    asyncio.run(scenario())


def test_it_is_made_for_a_thread_on_the_event_loop_and_for_that_loops_own_thread_never() -> None:
    async def scenario() -> None:
        station.settle(Surroundings(make))
        with pytest.raises(PoolError, match=r"see pool\.run_sync"):
            await asyncio.to_thread(asyncio.run, elsewhere())
        with pytest.raises(PoolError, match=r"would block the event loop: await pool\.run"):
            prefork.pool.run_sync(work.pid)
        with pytest.raises(PoolError, match="it was to be made"):
            await asyncio.to_thread(prefork.pool.run_sync, work.pid)

    asyncio.run(scenario())


async def elsewhere() -> NoReturn:
    station.pool()
    raise AssertionError
