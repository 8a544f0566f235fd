"""Which engine a setting names."""

import asyncio

import pytest

from prefork.pool.engine import Engine
from prefork.pool.engines import choice
from prefork.pool.engines.threads import Threads
from prefork.pool.errors import PoolError
from prefork.settings.schema import Settings


def no_processes() -> Engine:
    raise AssertionError("another engine was named")


def test_threads_are_as_many_as_the_setting_says() -> None:
    async def scenario() -> None:
        settings = Settings(app="app:none", pool=3, pool_engine="threads")
        engine = choice.made(settings, 10, no_processes)
        assert isinstance(engine, Threads)
        assert engine.counts() == {"size": 3, "waiting": 0, "running": 0}
        await engine.close()

    asyncio.run(scenario())


def test_where_there_is_to_be_no_pool_the_error_says_how_to_have_one() -> None:
    with pytest.raises(PoolError, match="start prefork with --pool N"):
        choice.made(Settings(app="app:none"), 10, no_processes)
