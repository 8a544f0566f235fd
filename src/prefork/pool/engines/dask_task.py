"""A task on a Dask worker: how it begins at most once, and is made to end.

Dask's workers import this module; the engine never runs anything of it.
"""

import os
import signal
from collections.abc import Iterable
from typing import Any

from distributed import Status, Worker, get_worker
from distributed.utils import sync

from prefork.pool import codec, interruption
from prefork.pool.codec import EMPTY, Parcel
from prefork.pool.engines.dask_order import (
    ALONE,
    BEGUN_BEFORE,
    CANCELLED,
    ERROR,
    OVER,
    PREFIX,
    RESULT,
    SHARED,
    Answer,
    Order,
    Wire,
    from_wire,
    to_wire,
)
from prefork.pool.errors import TaskCancelled, TaskLost
from prefork.pool.interruption import Interruptible

AT_ONCE = 0.1  # seconds within which the scheduler does what it does at once, or not at all
LOOK = 5.0  # seconds of a full queue, after which a stream looks whether anybody still wants it

_running: dict[str, Interruptible] = {}  # by name
_condemned: set[str] = set()  # those for which this process takes no others any more
_OURS = (__file__, interruption.__file__)


# -- running, in a thread of the Dask worker's ---------------------------------


def perform(order: Order) -> Answer:
    """Run a task, unless it has begun before: Dask runs one again whose worker has died."""
    worker = get_worker()
    code = _running[order.name] = Interruptible()
    try:
        if not sync(worker.loop, _begin, worker, order):
            return BEGUN_BEFORE, to_wire(EMPTY)
        kind, parcel = _outcome(worker, order, code)
        return kind, to_wire(parcel)
    finally:
        del _running[order.name]
        if order.name in _condemned:
            worker.loop.add_callback(_recover, worker)


async def _begin(worker: Worker, order: Order) -> bool:
    """Claim the task, and tell the engine; False: it is somebody else's, or nobody's any more."""
    scheduler = worker.scheduler
    try:
        await scheduler.queue_put(name=order.claim, data=worker.address, timeout=AT_ONCE)
        await scheduler.queue_put(name=order.inbox, data=[order.name, worker.address])
    except (TimeoutError, KeyError):  # it is full; it was released, as the task was cancelled
        return False
    return True


def _outcome(worker: Worker, order: Order, code: Interruptible) -> tuple[str, Parcel]:
    try:
        return RESULT, _result(worker, order, code)
    except TaskCancelled as error:
        if code.is_unwanted:
            return CANCELLED, EMPTY
        return ERROR, codec.pack_error(error, *_OURS)
    except BaseException as error:  # noqa: BLE001 - it is that of whoever waits
        return ERROR, codec.pack_error(error, *_OURS)


def _result(worker: Worker, order: Order, code: Interruptible) -> Parcel:
    function, args, kwargs = codec.unpack(from_wire(order.call))
    try:
        result = code.call(function, *args, **kwargs)
        if order.items is None:
            return codec.pack_result(function, result)
        _Stream(worker, order.items, code).run(function, result)
        return codec.pack(None)
    except SystemExit as error:
        raise TaskLost.by_exit(codec.name_of(function), error) from None


class _Stream:
    """Puts items into a queue of Dask's, and waits while that is full."""

    def __init__(self, worker: Worker, queue: str, code: Interruptible) -> None:
        self._worker = worker
        self._queue = queue
        self._code = code

    def run(self, function: Any, made: Iterable[Any]) -> None:
        try:
            items = self._code.call(iter, made)
            for item in interruption.each(self._code, items):
                self._put(to_wire(codec.pack_result(function, item)))
                if self._code.is_unwanted:
                    raise TaskCancelled
        finally:
            self._put(None)

    def _put(self, item: Wire | None) -> None:
        put = self._worker.scheduler.queue_put
        while True:
            try:
                sync(self._worker.loop, put, name=self._queue, data=item, timeout=LOOK)
                return
            except TimeoutError:
                if not self._is_wanted():
                    raise TaskCancelled from None

    def _is_wanted(self) -> bool:
        """Whether the engine is still there. Once it is not, Dask takes the task as cancelled."""
        state = self._worker.state.tasks.get(self._worker.get_current_task())
        return state is not None and state.state == "executing"


# -- ending, in the thread of the Dask worker's event loop ---------------------


def interrupt(name: str) -> None:
    """Raise TaskCancelled in it, if it runs."""
    code = _running.get(name)
    if code is not None:
        code.interrupt()


def condemn(name: str, dask_worker: Worker) -> str:
    """End this process, with a task that doesn't end. What is said instead is why it stays.

    Nobody else's task is to end with it. So it takes no more from here on, and is to be asked
    again until it has no other one. Its nanny starts another; without one it stays as it is.
    """
    if name not in _running:
        _recover(dask_worker)  # it may have ended just as it was condemned
        return OVER
    if dask_worker.nanny is None:
        return ALONE
    if _condemned or dask_worker.status != Status.closing_gracefully:  # by Dask's own will
        _condemned.add(name)
        dask_worker.status = Status.closing_gracefully
    state = dask_worker.state
    doomed = len(_condemned & _running.keys()) or 1
    has_others = len(state.executing) + len(state.long_running) > doomed
    has_results = any(str(key).startswith(PREFIX) for key in dask_worker.data)  # not fetched yet
    if not has_others and not has_results:
        os.kill(os.getpid(), signal.SIGKILL)
    return SHARED


def _recover(dask_worker: Worker) -> None:
    """Take tasks again, if all have ended for which this process was to end."""
    if _condemned and not _condemned & _running.keys():
        _condemned.clear()
        if dask_worker.status == Status.closing_gracefully:
            dask_worker.status = Status.running
