"""Which engine a worker's tasks have, told by the setting."""

from collections.abc import Callable

from prefork.pool.engine import Engine
from prefork.pool.errors import PoolError
from prefork.settings import engine, pooling
from prefork.settings.schema import Settings


def made(settings: Settings, limit: int, processes: Callable[[], Engine]) -> Engine:
    """Make it, on the event loop. *limit*: how many tasks of this worker may wait.

    Raises PoolError where there is to be none. What one engine alone needs is imported only then.
    """
    if not settings.pool:
        raise PoolError("there is no pool: start prefork with --pool N")
    if settings.pool_engine == engine.THREADS:
        from prefork.pool.engines.threads import Threads  # noqa: PLC0415

        return Threads(pooling.size(settings.pool), limit, settings.pool_grace)
    if (address := engine.scheduler(settings.pool_engine)) is not None:
        from prefork.pool.engines.dask import Dask  # noqa: PLC0415

        return Dask(address, limit, settings.pool_grace)
    return processes()
