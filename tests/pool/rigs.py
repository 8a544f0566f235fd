"""Each engine there is, with what it needs, as a pool of two that a test may use."""

import atexit
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from tests.pool.house import house
from tests.support.dask_cluster import DaskCluster

from prefork.pool.client import Pool
from prefork.pool.engines.dask import Dask
from prefork.pool.engines.threads import Threads

SIZE = 2  # tasks that run at a time


@dataclass(frozen=True)
class Terms:
    """*limit*: tasks that may wait. *grace*: seconds that one has to end that is told to."""

    limit: int = 1000
    grace: float = 0.3


@asynccontextmanager
async def threads(terms: Terms) -> AsyncIterator[Pool]:
    pool = Pool(Threads(SIZE, terms.limit, terms.grace))
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def processes(terms: Terms) -> AsyncIterator[Pool]:
    async with house(SIZE) as own:
        yield own.worker(limit=terms.limit, grace=terms.grace).pool


@cache
def cluster() -> DaskCluster:
    """One for all tests of this session: it takes seconds to start."""
    made = DaskCluster(Path(tempfile.mkdtemp(prefix="prefork-dask-")), SIZE)
    made.start()
    atexit.register(made.stop)
    return made


@asynccontextmanager
async def dask(terms: Terms) -> AsyncIterator[Pool]:
    engine = Dask(cluster().address, terms.limit, terms.grace)
    pool = Pool(engine)
    try:
        client = await engine.link.client()
        await client.wait_for_workers(SIZE)  # a test before may have ended one
        yield pool
    finally:
        await pool.close()


RIGS: dict[str, Callable[[Terms], AbstractAsyncContextManager[Pool]]] = {
    "threads": threads,
    "processes": processes,
    "dask": dask,
}

# One process runs those by Dask, so that there is one cluster, and nothing else on the machine.
ENGINES = ["threads", "processes", pytest.param("dask", marks=pytest.mark.alone)]
