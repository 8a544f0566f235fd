"""The one pool of this worker, which is made on its event loop once somebody wants it."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from prefork.pool.client import Pool, refuse_on
from prefork.pool.errors import PoolError


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a worker gives to its pool. *make*: raises PoolError where it is to have none."""

    make: Callable[[], Pool]
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    pid: int = field(default_factory=os.getpid)


_surroundings: Surroundings | None = None
_pool: Pool | None = None


def settle(surroundings: Surroundings) -> None:
    """Say what the pool of this worker is made of, once somebody wants it."""
    global _surroundings, _pool
    _surroundings, _pool = surroundings, None


def pool() -> Pool:
    """Return this worker's pool, on its event loop. Raises PoolError where there is none."""
    here = _here()
    if asyncio.get_running_loop() is not here.loop:
        raise PoolError("the pool is there only on the worker's event loop; see pool.run_sync")
    return _made(here)


def from_thread() -> Pool:
    """Return this worker's pool, for a thread beside its event loop. Raises PoolError."""
    here = _here()
    if _pool is not None:
        return _pool
    refuse_on(here.loop)

    async def make() -> Pool:
        return _made(here)

    return asyncio.run_coroutine_threadsafe(make(), here.loop).result()


async def leave() -> None:
    """Close this worker's pool, where anybody wanted it."""
    if _pool is not None:
        await _pool.close()


def _here() -> Surroundings:
    if _surroundings is None or _surroundings.pid != os.getpid():
        raise PoolError(
            "the pool is there only in a worker of `prefork serve`, once its event loop runs; "
            "in a script: async with prefork.Pool(4) as pool"
        )
    return _surroundings


def _made(here: Surroundings) -> Pool:
    global _pool  # noqa: PLW0603 - as above
    if _pool is None:
        _pool = here.make()
    return _pool
