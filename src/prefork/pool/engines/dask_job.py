"""A task that a Dask cluster has: what is asked of Dask for it, and what comes of it."""

import asyncio
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import uuid4

from prefork.pool import codec
from prefork.pool.codec import EMPTY, Parcel
from prefork.pool.engine import WINDOW, Task
from prefork.pool.engines.dask_link import release
from prefork.pool.engines.dask_order import (
    BEGUN_BEFORE,
    ERROR,
    ON_ITS_WAY,
    PREFIX,
    RESULT,
    Answer,
    Order,
    from_wire,
    to_wire,
)
from prefork.pool.errors import RemoteError, TaskLost, TaskTimeout

if TYPE_CHECKING:
    from distributed import Client


class DaskJob:
    """*bound*: the address of the only Dask worker that may run it; "": any may."""

    def __init__(
        self, task: Task, parcel: Parcel, end: "Callable[[DaskJob, str], None]", bound: str = ""
    ) -> None:
        """*end*: makes it end, for a reason."""
        self.task = task
        self._end = end
        self.function = codec.name_of(task.call.function)
        self.name = f"{PREFIX}{self.function}-{uuid4().hex}"  # as Dask knows it
        self.bound = bound
        self.worker = ""  # the address of the one where it has begun
        self.begun = 0  # by time.monotonic_ns(); 0: it has not
        self.is_doomed = False  # it was told to end
        self.timer: asyncio.TimerHandle | None = None
        self.follower: asyncio.Task[None] | None = None
        self._parcel = parcel
        self._unread = 0  # items of its stream
        self._changed = asyncio.Event()  # one was read, or nobody reads on

    # -- asking --------------------------------------------------------------

    async def ask(self, client: "Client", inbox: str) -> None:
        """Have it run, and tell who waits what came of it. Raises whatever Dask does."""
        claim, items = f"{self.name}-claim", f"{self.name}-items"
        is_stream = self.task.items is not None
        order = Order(self.name, inbox, claim, items if is_stream else None, to_wire(self._parcel))
        try:
            await client.scheduler.queue_create(name=claim, maxsize=1)
            if not is_stream:
                self._conclude(await self._submit(client, order))
                return
            await client.scheduler.queue_create(name=items, maxsize=ON_ITS_WAY)
            await self._stream(client, order, items)
        finally:
            release(client, claim)
            if is_stream:
                release(client, items)

    async def _submit(self, client: "Client", order: Order) -> Answer:
        from distributed import KilledWorker  # noqa: PLC0415 - that was imported aside

        from prefork.pool.engines import dask_task  # noqa: PLC0415

        options = {"workers": [self.bound]} if self.bound else {}
        attempts = itertools.count()
        while True:
            key = f"{self.name}-{next(attempts)}"  # a new one, for Dask has given up the other
            future = client.submit(
                dask_task.perform,
                order,
                key=key,
                pure=False,
                priority=self.task.priority,
                **options,
            )
            try:
                answer: Answer = await future
                return answer
            except KilledWorker:  # several died that had it; whether it had begun is asked again
                if self.worker or self.bound:
                    return BEGUN_BEFORE, to_wire(EMPTY)
            finally:
                future.release()

    async def _stream(self, client: "Client", order: Order, queue: str) -> None:
        """Give items to whoever reads them, as they come, and then the outcome."""
        reading = asyncio.create_task(self._read(client, queue))
        try:
            answer = await self._submit(client, order)
            if answer[0] != BEGUN_BEFORE:
                await reading
            self._conclude(answer)
        finally:
            reading.cancel()

    async def _read(self, client: "Client", queue: str) -> None:
        while True:
            record = await client.scheduler.queue_get(name=queue)
            if record["value"] is None:
                return
            if not self.is_doomed and self.task.items is not None:
                self._hand_on(from_wire(record["value"]))
            self._unread += 1
            while self._unread >= WINDOW - ON_ITS_WAY and not self.is_doomed:
                self._changed.clear()
                await self._changed.wait()

    def _hand_on(self, parcel: Parcel) -> None:
        try:
            item = codec.restored(parcel, "an item", self.function)
        except RemoteError as error:
            self.task.fail(error.with_traceback(None))  # which would keep the task
            self._end(self, "gave an item that can't be read here")
        else:
            assert self.task.items is not None, "it is a stream"
            self.task.items.put(item)

    def took(self, items: int) -> None:
        """Hear that so many were read."""
        self._unread -= items
        self._changed.set()

    # -- what came of it -----------------------------------------------------

    def doom(self) -> None:
        """Whatever it gives from here on, nobody wants it."""
        self.is_doomed = True
        self._changed.set()

    def overrun(self) -> None:
        """Tell who waits that it took too long."""
        self.task.fail(TaskTimeout(f"{self.function} ran for over {self.task.timeout:g} s"))

    def lose(self, reason: str) -> None:
        """Tell who waits that nobody knows what becomes of it."""
        self.task.fail(TaskLost(f"{self.function} was lost: {reason}"))

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _conclude(self, answer: Answer) -> None:
        kind, wire = answer
        if kind == ERROR:
            self.task.fail(codec.unpack_error(from_wire(wire)))
        elif kind == BEGUN_BEFORE:
            self.lose("its Dask worker has ended")
        elif kind == RESULT:
            try:
                result = codec.restored(from_wire(wire), "the result", self.function)
            except RemoteError as error:
                self.task.fail(error.with_traceback(None))  # which would keep the task
            else:
                self.task.succeed(result)
