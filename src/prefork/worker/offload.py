"""How a worker comes to its pool: by lines that its primary lays."""

import asyncio

from prefork.pool import station
from prefork.pool.client import Pool
from prefork.pool.engine import Engine
from prefork.pool.engines import choice
from prefork.pool.engines.processes import Processes
from prefork.pool.station import Surroundings
from prefork.pool.terms import Lines, Terms
from prefork.settings.schema import Settings
from prefork.wire.board import Line
from prefork.wire.estate import Estate
from prefork.worker.link import Link


def join(estate: Estate, id: int, line: Line, link: Link) -> None:
    """Let this worker have its pool, once somebody asks for it."""

    def make() -> Pool:
        settings = estate.settings
        terms = terms_of(settings, id, estate.workers)

        def processes() -> Engine:
            lines = Lines(line, estate.board.line)
            engine = Processes(terms, link.say, lines, asyncio.get_running_loop())
            link.pool = engine.hear
            return engine

        engine = choice.made(settings, terms.limit, processes)
        return Pool(engine, settings.pool_timeout or None)

    station.settle(Surroundings(make))


def terms_of(settings: Settings, id: int, workers: int) -> Terms:
    """*workers*: among which the queue is divided."""
    least, most = settings.pool_min, settings.pool
    return Terms(
        worker=id,
        limit=max(1, settings.pool_queue // max(1, workers)),
        grace=settings.pool_grace,
        grows=least is not None and least != most,
    )


async def leave() -> None:
    """End what still waits or runs: nobody is there any more who would take it."""
    await station.leave()
