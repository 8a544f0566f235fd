"""Which requests a full pool has refused something, so that they can be answered by 503.

A framework that answers for itself what was raised says no more than that something was. A request
is known here by the context that it runs in: each has its own, which ends with it. So nothing is to
be forgotten, neither of a thread nor of a task that another request is given.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from prefork.pool.errors import PoolFull

_retry_after: ContextVar[float | None] = ContextVar("retry_after", default=None)


def note(full: PoolFull) -> None:
    """Remember it of the request that runs here."""
    _retry_after.set(full.retry_after)


@contextmanager
def noted() -> Iterator[None]:
    """Note what is refused within."""
    try:
        yield
    except PoolFull as full:
        note(full)
        raise


def of_current() -> float | None:
    """Say after how many seconds the request here may come again; None: it was refused nothing."""
    return _retry_after.get()
