"""Which requests a full pool has refused something, so that they can be answered by 503.

A framework that answers for itself what was raised says no more than that something was. Most do so
while they handle it, so that it can be looked at, wherever it was raised. Of others a request is
known by the context that it runs in: each has its own, which ends with it. So nothing is to be
forgotten of a request, neither by a thread nor by a task that another one is given.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from prefork.pool.errors import PoolFull

_retry_after: ContextVar[float | None] = ContextVar("retry_after", default=None)


def note(full: PoolFull) -> None:
    """Remember it of the request that runs here."""
    _retry_after.set(full.retry_after)


def forget() -> None:
    """Forget it, where requests are to begin: each gets a copy of the context that runs here."""
    _retry_after.set(None)


@contextmanager
def noted() -> Iterator[None]:
    """Note what is refused within."""
    try:
        yield
    except PoolFull as full:
        note(full)
        raise


def of_current() -> float | None:
    """Say after how many seconds the request here may come again that is about to fail; None: that
    is not for what a full pool has refused."""
    error = sys.exception()
    if error is None:
        return _retry_after.get()
    full = found_in(error)
    return None if full is None else full.retry_after


def found_in(error: BaseException) -> PoolFull | None:
    """Give what a full pool has refused, where that is all that went wrong; of several in a group
    the one that is to wait longest."""
    # Not by `__cause__`: Starlette's BaseHTTPMiddleware raises an error anew "from" what it met
    # while that was handled, and so what fails in `except PoolFull` would be no failure.
    if not isinstance(error, BaseExceptionGroup):
        return error if isinstance(error, PoolFull) else None
    found = [full for each in error.exceptions if (full := found_in(each)) is not None]
    is_all = len(found) == len(error.exceptions)
    return max(found, key=lambda full: full.retry_after) if is_all else None
