"""The connection of a worker to a Dask cluster: made with the first task, and again when lost."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from prefork import log
from prefork.pool.errors import PoolError
from prefork.wire.complaint import Complaint

if TYPE_CHECKING:
    from distributed import Client

PATIENCE = 5.0  # seconds for a connection
WORKERS_SIDE = "prefork.pool.engines.dask_task"  # a module that imports the library
FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0  # seconds until the scheduler is tried again; they double


class Hearers(NamedTuple):
    """Who is told that there is a connection; that a task has begun, by its name, and the address
    of its worker; that there is no connection any more, or was none, and why."""

    up: Callable[[], None]
    begun: Callable[[str, str], None]
    lost: Callable[[str], None]


class DaskLink:
    """One `Client` at a time. It is ours to make the next: Dask's own does so in silence."""

    def __init__(self, address: str, hearers: Hearers) -> None:
        self.shown = f"dask://{address}"
        self.inbox = f"prefork-{uuid4().hex}"  # a queue at the scheduler
        self.trouble = ""  # why there is no connection; "": there is, or there was no time yet
        self._address = f"tcp://{address}"
        self._hearers = hearers
        self._loop = asyncio.get_running_loop()
        self._client: Client | None = None
        self._changed = asyncio.Event()  # there is a client, or some trouble
        self._unreachable = Complaint("dask_unreachable")
        self._reached = Complaint("dask_reached", log.info)
        self._tasks: set[asyncio.Task[Any]] = set()
        self.own(self._live())

    async def client(self) -> "Client":
        """Wait for the connection. Raises PoolError where there is none to be had."""
        while self._client is None:
            self.require()
            self._changed.clear()
            await self._changed.wait()
        return self._client

    def require(self) -> None:
        """Raise PoolError where the scheduler is away."""
        if self.trouble:
            raise PoolError(self._why())

    @property
    def connected(self) -> "Client | None":
        return self._client

    async def tell(self, worker: str, what: str, name: str) -> str:
        """Tell a Dask worker something about a task, and return what it says; "": it has gone."""
        if self._client is None:
            return ""
        function = getattr(import_module(WORKERS_SIDE), what)
        try:
            said = await self._client.run(function, name, workers=[worker], on_error="ignore")
        except OSError:  # with the connection all is lost, which is told elsewhere
            return ""
        return str(said.get(worker, ""))

    def threads(self) -> int:
        """How many tasks the cluster runs at a time, as it said within the last two seconds."""
        return int(self._client.scheduler_info()["total_threads"]) if self._client else 0

    def own(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Run it as a task, until `close` at most."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._client is not None:
            release(self._client, self.inbox)
            await _close(self._client)

    async def _live(self) -> None:
        """Connect, hear until the connection is lost, and again after a while."""
        # It takes a second, in which the loop goes on.
        await asyncio.to_thread(import_module, WORKERS_SIDE)
        from distributed import Client  # noqa: PLC0415

        delay = FIRST_DELAY
        while True:
            try:
                await self._connect(Client)
                delay = FIRST_DELAY
                await self._hear()
            except Exception as error:  # noqa: BLE001 - a library's; nobody else tries again
                await self._part(str(error) or type(error).__name__)
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)

    async def _connect(self, make: "type[Client]") -> None:
        client = make(self._address, asynchronous=True, set_as_default=False, timeout=PATIENCE)
        try:
            await client
            await client.scheduler.queue_create(name=self.inbox)
        except BaseException:
            await _close(client)
            raise
        if self.trouble:
            self._reached.tell(self._loop.time(), scheduler=self.shown)
        self._client, self.trouble = client, ""
        self._changed.set()
        self._hearers.up()

    async def _hear(self) -> None:
        """Hear which tasks have begun. Raises OSError when the connection is lost."""
        assert self._client is not None, "it is connected"
        while True:
            try:
                record = await self._client.scheduler.queue_get(name=self.inbox)
            except OSError as error:
                raise OSError("the connection was lost") from error
            self._hearers.begun(*record["value"])

    def _why(self) -> str:
        return f"{self.shown} can't be reached: {self.trouble}"

    async def _part(self, reason: str) -> None:
        client, self._client = self._client, None
        self.trouble = reason
        self._unreachable.tell(self._loop.time(), scheduler=self.shown, reason=reason)
        self._changed.set()
        self._hearers.lost(self._why())
        if client is not None:
            await _close(client)


async def _close(client: "Client") -> None:
    with suppress(OSError):  # of a connection that is lost already
        await client.close()


def release(client: "Client", queue: str) -> None:
    """Have the scheduler forget a queue. `Queue.close` does this, but each `Queue` creates one."""
    if client.status == "running":
        client._send_to_scheduler({"op": "queue_release", "name": queue})
