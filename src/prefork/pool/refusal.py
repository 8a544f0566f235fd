"""Which requests a full pool has refused something, so that they can be answered by 503.

A framework that answers for itself what was raised says no more than that something was. A request
is known here by what it runs in: a task of the event loop, or a thread.
"""

import asyncio
import threading
from weakref import WeakKeyDictionary

from prefork.pool.errors import PoolFull

_refused: "WeakKeyDictionary[object, float]" = WeakKeyDictionary()  # seconds, by place


def note(full: PoolFull) -> None:
    """Remember it of the request that runs here."""
    _refused[_here()] = full.retry_after


def of_current() -> float | None:
    """Say after how many seconds the request here may come again; None: it was refused nothing."""
    return _refused.get(_here())


def forget() -> None:
    """The request here has ended."""
    _refused.pop(_here(), None)


def _here() -> object:
    try:
        return asyncio.current_task() or threading.current_thread()
    except RuntimeError:  # no event loop runs in this thread
        return threading.current_thread()
