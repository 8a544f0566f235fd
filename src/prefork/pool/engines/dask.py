"""Tasks run by a Dask cluster: the same promises, kept beside Dask's own.

Dask runs a task again whose worker has died. So a task asks at its begin whether it may, and says
that it has: from there its timeout counts, and by that it is lost if its worker dies. And Dask
gives a task to a worker at once, where it stays, whatever is more urgent elsewhere. So no more are
given to Dask than it has threads.
"""

import asyncio
import time
from concurrent.futures import CancelledError
from typing import Any

from prefork import log
from prefork.pool import codec
from prefork.pool.engine import Call, Task
from prefork.pool.engines.dask_job import DaskJob
from prefork.pool.engines.dask_link import DaskLink, Hearers
from prefork.pool.engines.dask_order import OVER
from prefork.pool.errors import PoolError
from prefork.pool.ledger import Ledger
from prefork.pool.pace import Pace

LOOK_AGAIN = 2.0  # seconds, as often as Dask's client asks how many threads there are


class Dask:
    """An `Engine`."""

    def __init__(self, address: str, limit: int, grace: float) -> None:
        """*address*: HOST:PORT of the scheduler. *limit*: how many tasks may wait. *grace*: seconds
        that a task has to end once it was told to, until its Dask worker is ended."""
        self._grace = grace
        self._loop = asyncio.get_running_loop()
        self._ledger: Ledger[DaskJob] = Ledger(limit)
        self._jobs: dict[Task, DaskJob] = {}
        self._given: dict[str, DaskJob] = {}  # those that Dask has, by name
        self._looking: asyncio.TimerHandle | None = None  # whether there are more threads
        self._watched: set[str] = set()  # Dask workers of whose end we are told, by address
        self.pace = Pace()
        self.link = DaskLink(address, Hearers(self._fill, self._begun, self._lost))

    def __repr__(self) -> str:
        return f"<Dask {self.link.shown} {self.counts()}>"

    # -- what the front asks -------------------------------------------------

    def submit(self, task: Task) -> None:
        self.link.require()
        self._ledger.require_room(self.pace, self.link.threads())
        job = self._jobs[task] = DaskJob(task, codec.pack_call(task.call), self._end)
        self._ledger.add(job, task.priority)
        self._fill()

    async def submit_to_all(self, call: Call, limit: float | None) -> list[Task]:
        parcel, tasks = codec.pack_call(call), []
        bound = sum(bool(job.bound) and not job.worker for job in self._jobs.values())
        with self._ledger.announced(self.pace, self.link.threads(), bound):
            client = await self.link.client()
            await client.wait_for_workers(1)
            addresses = await client.nthreads()
        for address in addresses:
            task = Task(call, self._loop.create_future(), limit)
            job = self._jobs[task] = DaskJob(task, parcel, self._end, address)
            self._watch(address)
            self._give(job)
            tasks.append(task)
        self.link.own(self._miss(tasks))
        return tasks

    def cancel(self, task: Task) -> None:
        job = self._jobs.get(task)
        if job is not None and job.worker:
            self._end(job, "was cancelled")
        elif job is not None:
            self._drop(job)

    def took(self, task: Task, items: int) -> None:
        if task in self._jobs:
            self._jobs[task].took(items)

    def counts(self) -> dict[str, int]:
        running = sum(bool(job.worker) for job in self._jobs.values())
        waiting = len(self._jobs) - running
        return {"size": self.link.threads(), "waiting": waiting, "running": running}

    async def close(self) -> None:
        """End. What runs is told to end too; nobody looks whether it does."""
        running = [job for job in self._jobs.values() if job.worker]
        told = [self.link.own(self.link.tell(job.worker, "interrupt", job.name)) for job in running]
        for job in list(self._jobs.values()):
            job.task.fail(PoolError("the pool was closed"))
        if told:
            await asyncio.wait(told, timeout=self._grace)
        if self._looking is not None:
            self._looking.cancel()
        await self.link.close()

    # -- tasks ---------------------------------------------------------------

    def _fill(self) -> None:
        """Give to Dask what it has threads for; one at least, or no cluster would grow for it."""
        if self.link.connected is None:
            return
        while len(self._given) < max(1, self.link.threads()) and (job := self._ledger.take()):
            self._give(job)
        if self._ledger and self._looking is None:
            self._looking = self._loop.call_later(LOOK_AGAIN, self._look)

    def _look(self) -> None:
        self._looking = None
        self._fill()

    def _give(self, job: DaskJob) -> None:
        self._given[job.name] = job
        job.follower = self.link.own(self._follow(job))

    async def _follow(self, job: DaskJob) -> None:
        """See a task to its end."""
        try:
            await job.ask(await self.link.client(), self.link.inbox)
        except CancelledError as error:  # Dask's: somebody else has cancelled it there
            job.lose(str(error))
        except Exception as error:  # noqa: BLE001 - Dask's; whoever waits is to hear of it
            job.task.fail(PoolError(f"{self.link.shown} did not run {job.function}: {error!r}"))
        else:
            # The word of its begin may come after its result: it ran for no longer than that takes.
            self.pace.note(job.task.submitted, job.begun or time.monotonic_ns())
        self._forget(job)

    def _forget(self, job: DaskJob) -> None:
        """It has ended, or never begins."""
        job.stop_timer()
        self._ledger.remove(job)
        self._ledger.forget(job)
        self._jobs.pop(job.task, None)
        self._given.pop(job.name, None)
        self._fill()

    def _drop(self, job: DaskJob) -> None:
        """It is of no interest any more. Dask takes it out of its queue, if it waits there."""
        if job.follower is not None:
            job.follower.cancel()
        self._forget(job)

    # -- what the cluster tells ----------------------------------------------

    def _begun(self, name: str, worker: str) -> None:
        job = self._given.get(name)
        if job is None or job.is_doomed:  # it was cancelled just before; or gave what can't be read
            self.link.own(self._make_end(worker, name, "is not wanted any more"))
        if job is None:
            return
        self._watch(worker)
        job.worker, job.begun = worker, time.monotonic_ns()
        if job.task.timeout is not None:
            job.timer = self._loop.call_later(job.task.timeout, self._time_out, job)

    def _watch(self, worker: str) -> None:
        """Have the scheduler tell us when it has no such worker any more."""
        client = self.link.connected
        if client is not None and worker not in self._watched:
            self._watched.add(worker)
            client.subscribe_topic(worker, lambda event: self._heed(worker, event[1]))

    def _heed(self, worker: str, event: Any) -> None:
        if event.get("action") != "remove-worker" or worker not in self._watched:
            return
        self._watched.discard(worker)
        if self.link.connected is not None:
            self.link.connected.unsubscribe_topic(worker)
        for job in list(self._jobs.values()):
            if worker in (job.worker, job.bound):
                self._miss_worker(job, worker)

    async def _miss(self, tasks: list[Task]) -> None:
        """Lose those whose Dask worker went before it was known that we want to hear of that."""
        while waiting := [job for job in map(self._jobs.get, tasks) if job and not job.worker]:
            await asyncio.sleep(LOOK_AGAIN)
            there = await (await self.link.client()).nthreads()
            for job in waiting:
                if job.bound not in there and job.task in self._jobs:
                    self._miss_worker(job, job.bound)

    def _miss_worker(self, job: DaskJob, worker: str) -> None:
        job.lose(f"its Dask worker, {worker}, has ended")
        self._drop(job)

    def _lost(self, reason: str) -> None:
        """The connection is. What Dask had may have begun, so it is not given to it again."""
        self._watched.clear()
        for job in list(self._jobs.values()):
            if job.name in self._given:
                job.lose(reason)
            else:
                job.task.fail(PoolError(reason))
            self._drop(job)

    # -- making them end -----------------------------------------------------

    def _time_out(self, job: DaskJob) -> None:
        """Whoever waits is told at once."""
        self._end(job, "ran for too long")
        job.overrun()

    def _end(self, job: DaskJob, reason: str) -> None:
        if not job.is_doomed:
            job.doom()
            job.stop_timer()
            if job.worker:  # or it is told once we hear where it has begun
                self.link.own(self._make_end(job.worker, job.name, reason))

    async def _make_end(self, worker: str, name: str, reason: str) -> None:
        """Ask a task to end that runs, and have its process ended after a while."""
        await self.link.tell(worker, "interrupt", name)
        await asyncio.sleep(self._grace)
        said = await self.link.tell(worker, "condemn", name)
        if said == OVER:
            return
        log.warning(
            "dask_worker_condemned",
            worker=worker,
            task=name,
            reason=f"it {reason}, and did not end within {self._grace:g} s",
            effect=f"its process {said or 'is ended'}",
        )
        while said not in (OVER, ""):
            await asyncio.sleep(self._grace)
            said = await self.link.tell(worker, "condemn", name)
