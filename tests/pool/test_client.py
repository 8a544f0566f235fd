"""What users' code gets of a pool, by an engine that does as it is told."""

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from tests.pool import work

from prefork.pool.client import Pool
from prefork.pool.engine import Call, Task
from prefork.pool.errors import PoolError, PoolFull
from prefork.pool.pace import Pace


class Engine:
    """An engine of one process, which runs nothing. *room*: how many tasks it takes."""

    def __init__(self, room: int = 100) -> None:
        self.pace = Pace()
        self.tasks: list[Task] = []
        self.cancelled: list[Task] = []
        self.has_some = asyncio.Event()
        self._room = room

    def submit(self, task: Task) -> None:
        if len(self.tasks) == self._room:
            raise PoolFull("no room")
        self.tasks.append(task)
        self.has_some.set()

    async def submit_to_all(self, call: Call, limit: float | None) -> list[Task]:
        loop = asyncio.get_running_loop()
        self.tasks = [Task(call, loop.create_future(), limit) for _ in range(2)]
        return list(self.tasks)

    def cancel(self, task: Task) -> None:
        self.cancelled.append(task)

    def took(self, task: Task, items: int) -> None:
        raise AssertionError(f"{items} of {task}")

    def counts(self) -> dict[str, int]:
        return {"size": 1, "waiting": 0, "running": len(self.tasks)}

    async def close(self) -> None:
        pass


def play(scenario: Callable[[Pool, Engine], Awaitable[None]], room: int = 100) -> None:
    async def live() -> None:
        engine = Engine(room)
        async with asyncio.timeout(10):
            await scenario(Pool(engine), engine)

    asyncio.run(live())


async def turns() -> None:
    """Let all go on that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def cancel(task: "asyncio.Task[Any]") -> None:
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# -- cancelling --------------------------------------------------------------


def test_a_map_that_is_cancelled_cancels_what_it_waits_for() -> None:
    async def scenario(pool: Pool, engine: Engine) -> None:
        items = cast("AsyncGenerator[int]", pool.map(work.give, range(5)))
        await cancel(asyncio.create_task(items.__anext__()))
        assert len(engine.tasks) == 2
        assert engine.cancelled == engine.tasks

    play(scenario)


def test_a_map_that_waits_for_room_cancels_what_it_waits_for() -> None:
    async def scenario(pool: Pool, engine: Engine) -> None:
        items = cast("AsyncGenerator[int]", pool.map(work.give, range(5)))
        await cancel(asyncio.create_task(items.__anext__()))
        assert engine.cancelled == engine.tasks != []

    play(scenario, room=1)


def test_a_map_that_fails_cancels_what_was_begun() -> None:
    async def scenario(pool: Pool, engine: Engine) -> None:
        items = cast("AsyncGenerator[int]", pool.map(work.give, range(5), limit=3))
        getting = asyncio.create_task(items.__anext__())
        await turns()
        first, *others = engine.tasks
        first.fail(work.PeculiarError(1))
        with pytest.raises(work.PeculiarError):
            await getting
        assert engine.cancelled == others
        assert len(others) == 2

    play(scenario)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_map_of_less_than_one_at_a_time_is_refused(limit: int) -> None:
    async def scenario(pool: Pool, engine: Engine) -> None:
        with pytest.raises(ValueError, match=rf"limit of a map must be at least 1 \(got {limit}\)"):
            await anext(pool.map(work.give, range(5), limit=limit))
        assert engine.tasks == []

    play(scenario)


def test_a_stream_that_is_cancelled_cancels_its_task() -> None:
    async def scenario(pool: Pool, engine: Engine) -> None:
        items = cast("AsyncGenerator[int]", pool.stream(work.counting, 5))
        await cancel(asyncio.create_task(items.__anext__()))
        assert engine.cancelled == engine.tasks != []

    play(scenario)


def test_a_broadcast_that_is_cancelled_cancels_its_tasks() -> None:
    async def scenario(pool: Pool, engine: Engine) -> None:
        await cancel(asyncio.create_task(pool.broadcast(work.pid)))
        assert engine.cancelled == engine.tasks != []

    play(scenario)


# -- on the loop's own thread ------------------------------------------------


def test_nobody_waits_for_the_pool_on_the_event_loops_own_thread() -> None:
    async def scenario(pool: Pool, engine: Engine) -> None:
        with pytest.raises(PoolError, match=r"would block the event loop: await pool\.run"):
            pool.run_sync(work.pid)
        waiting = asyncio.create_task(asyncio.to_thread(pool.run_sync, work.pid))
        await engine.has_some.wait()
        engine.tasks[0].succeed(7)
        assert await waiting == 7

    play(scenario)


# -- memory ------------------------------------------------------------------


class Large:
    """An argument, or an item, of whose end a test wants to know."""


@contextmanager
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def failing_run(pool: Pool, large: Large) -> None:
    await pool.run(work.give, large)


async def failing_map(pool: Pool, large: Large) -> None:
    async for _ in pool.map(work.give, [large, large]):
        pass


async def failing_stream(pool: Pool, large: Large) -> None:
    async for _ in pool.stream(work.counting, large):
        pass


async def failing_broadcast(pool: Pool, large: Large) -> None:
    await pool.broadcast(work.give, large)


Failing = Callable[[Pool, Large], Awaitable[None]]


@pytest.mark.parametrize(
    "failing",
    [failing_run, failing_map, failing_stream, failing_broadcast],
    ids=lambda f: f.__name__,
)
def test_arguments_end_with_a_task_that_fails(failing: Failing) -> None:
    async def scenario(pool: Pool, engine: Engine) -> None:
        async def use(large: Large) -> None:
            with pytest.raises(work.PeculiarError):
                await failing(pool, large)

        large = Large()
        end = weakref.ref(large)
        using = asyncio.create_task(use(large))
        del large
        await turns()
        for task in engine.tasks:
            task.fail(work.PeculiarError(1))
        engine.tasks.clear()
        engine.cancelled.clear()
        del task
        await using
        await turns()
        assert end() is None

    with no_collector():
        play(scenario)


def test_arguments_of_a_stream_end_with_it() -> None:
    async def scenario(pool: Pool, engine: Engine) -> None:
        large = Large()
        end = weakref.ref(large)
        items = pool.stream(work.counting, large)
        del large
        getting = asyncio.create_task(cast("AsyncGenerator[int]", items).__anext__())
        await turns()
        engine.tasks.pop().succeed(None)
        with pytest.raises(StopAsyncIteration):
            await getting
        del getting, items
        await turns()
        assert end() is None

    with no_collector():
        play(scenario)
