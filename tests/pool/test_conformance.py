"""What the pool promises, by each engine that there is."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import cast

import pytest
from tests.pool import work
from tests.pool.rigs import ENGINES, RIGS, SIZE, Terms
from tests.support import pacing

from prefork.pool import PoolFull, RemoteError, TaskLost, TaskTimeout
from prefork.pool.client import Pool
from prefork.pool.engine import WINDOW
from prefork.pool.errors import PoolError

PATIENCE = 30.0  # seconds
USUAL = Terms()
Scenario = Callable[[Pool], Awaitable[None]]
Play = Callable[..., None]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    enter(str(request.param))
    return str(request.param)


@cache
def enter(engine: str) -> None:
    """Have all be there that is started once: no scenario's patience is for that."""

    async def live() -> None:
        async with RIGS[engine](USUAL):
            pass

    asyncio.run(live())


@pytest.fixture
def play(engine: str) -> Play:
    """Run a scenario with a pool, on an event loop of its own."""

    def run(scenario: Scenario, terms: Terms = USUAL) -> None:
        async def live() -> None:
            async with asyncio.timeout(PATIENCE), RIGS[engine](terms) as pool:
                await scenario(pool)

        asyncio.run(live())

    return run


async def lines(path: Path, count: int) -> list[str]:
    """Wait until tasks have written so many."""
    while len(read(path)) < count:
        await pacing.think(0.002)
    return read(path)


def read(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


async def fill(pool: Pool, path: Path) -> "list[asyncio.Task[int]]":
    """Have each process, or thread, run something; return when all do."""
    tasks = [asyncio.create_task(pool.run(work.pause, 60, str(path), "busy")) for _ in range(SIZE)]
    await lines(path, SIZE)
    return tasks


async def counted(pool: Pool, tasks: int) -> None:
    """Wait until the pool has so many, whether they wait or run."""
    while (stats := pool.stats()).waiting + stats.running < tasks:
        await pacing.think(0.002)


async def drop(tasks: "list[asyncio.Task[int]]") -> None:
    """Cancel them."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


# -- results and errors ------------------------------------------------------


def test_what_a_function_returns_comes_back(play: Play) -> None:
    async def scenario(pool: Pool) -> None:
        assert await pool.run(work.give, {"a": [1, 2.5, None]}) == {"a": [1, 2.5, None]}
        assert await pool.run(work.give, value=b"x" * 300_000) == b"x" * 300_000
        assert await pool.run(work.kind, memoryview(b"y" * 100_000)) == "memoryview"

    play(scenario)


def test_its_exception_is_raised_itself(play: Play) -> None:
    async def scenario(pool: Pool) -> None:
        with pytest.raises(work.PeculiarError) as caught:
            await pool.run(work.raise_peculiar, 5)
        assert caught.value.number == 5

    play(scenario)


def test_an_exception_that_can_not_say_what_it_is_ends_nothing_else(play: Play) -> None:
    async def scenario(pool: Pool) -> None:
        with pytest.raises(work.SpeechlessError):
            await pool.run(work.raise_speechless)
        assert await pool.run(str.upper, "a") == "A"

    play(scenario)


def test_an_exit_fails_the_task_alone(play: Play) -> None:
    async def scenario(pool: Pool) -> None:
        with pytest.raises(TaskLost, match="leave") as caught:
            await pool.run(work.leave, 3)
        assert caught.value.status == 3
        assert await pool.run(work.give, 1) == 1
        assert pool.stats().size == SIZE

    play(scenario)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, asyncio.CancelledError, StopIteration])
def test_what_would_end_more_than_who_waits_is_told_as_an_error(
    play: Play, kind: type[BaseException]
) -> None:
    async def scenario(pool: Pool) -> None:
        with pytest.raises(RemoteError, match=kind.__name__):
            await pool.run(work.throw, kind)
        assert await pool.run(work.give, 1) == 1

    play(scenario)


def test_what_cannot_be_given_away_fails_at_once_by_name(engine: str, play: Play) -> None:
    if engine == "threads":
        return  # nothing is given away

    async def scenario(pool: Pool) -> None:
        with pytest.raises(TypeError, match=r"argument 1 of tests\.pool\.work:give .* Inert stays"):
            await pool.run(work.give, work.Inert())
        with pytest.raises(TypeError, match="inert, a Inert, can't be given back"):
            await pool.run(work.inert)

    play(scenario)


# -- time --------------------------------------------------------------------


def test_a_task_that_runs_for_too_long_is_made_to_end(play: Play, tmp_path: Path) -> None:
    async def scenario(pool: Pool) -> None:
        with pytest.raises(TaskTimeout, match=r"work:tidy ran for over 0\.2 s"):
            await pool.run(work.tidy, str(tmp_path / "log"), timeout=0.2)
        assert await lines(tmp_path / "log", 2) == ["begun", "tidied"]
        assert await pool.run(work.give, 1) == 1

    play(scenario)


def test_a_timeout_counts_from_the_start(play: Play, tmp_path: Path) -> None:
    async def scenario(pool: Pool) -> None:
        busy = await fill(pool, tmp_path / "log")
        waiting = asyncio.create_task(pool.run(work.give, 1, timeout=1.0))
        await pacing.think(1.2)
        assert not waiting.done()
        await drop(busy)
        assert await waiting == 1

    play(scenario)


def test_a_task_that_does_not_end_loses_its_place_and_the_pool_does_not_shrink(
    play: Play, tmp_path: Path
) -> None:
    async def scenario(pool: Pool) -> None:
        stuck = [
            asyncio.create_task(pool.run(work.ignore, str(tmp_path / "log"), 4, timeout=0.2))
            for _ in range(SIZE)
        ]
        for each in stuck:
            with pytest.raises(TaskTimeout):
                await each
        assert await pool.run(work.give, 1) == 1
        while pool.stats().size < SIZE:
            await pacing.think(0.01)

    play(scenario)


# -- cancelling --------------------------------------------------------------


def test_a_cancelled_task_that_waits_never_begins(play: Play, tmp_path: Path) -> None:
    async def scenario(pool: Pool) -> None:
        busy = await fill(pool, tmp_path / "busy")
        waiting = asyncio.create_task(pool.run(work.note, str(tmp_path / "log"), "begun"))
        await pacing.think(0.1)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        assert pool.stats().waiting == 0
        await pacing.think(0.1)  # on its way through a cluster it may begin yet
        await drop(busy)
        await pool.broadcast(work.pid)
        assert read(tmp_path / "log") == []

    play(scenario)


def test_a_cancelled_task_that_runs_is_made_to_end(play: Play, tmp_path: Path) -> None:
    async def scenario(pool: Pool) -> None:
        running = asyncio.create_task(pool.run(work.tidy, str(tmp_path / "log")))
        await lines(tmp_path / "log", 1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await lines(tmp_path / "log", 2) == ["begun", "tidied"]
        await pool.broadcast(work.pid)
        assert pool.stats().running == 0

    play(scenario)


# -- waiting -----------------------------------------------------------------


def test_more_priority_comes_first_and_equals_in_their_order(play: Play, tmp_path: Path) -> None:
    async def scenario(pool: Pool) -> None:
        busy = await fill(pool, tmp_path / "busy")
        path = str(tmp_path / "log")
        tasks: list[asyncio.Task[None]] = []
        for priority in (0, -1, 5, 0, 5):
            text = f"{priority}:{len(tasks)}"
            tasks.append(asyncio.create_task(pool.run(work.note, path, text, priority=priority)))
            await pacing.think(0.05)
        await drop(busy[:1])
        await asyncio.wait(tasks)
        await drop(busy[1:])
        assert read(tmp_path / "log") == ["5:2", "5:4", "0:0", "0:3", "-1:1"]

    play(scenario)


def test_one_more_than_may_wait_is_refused(play: Play, tmp_path: Path) -> None:
    async def scenario(pool: Pool) -> None:
        busy = await fill(pool, tmp_path / "busy")
        waiting = [asyncio.create_task(pool.run(work.give, n)) for n in range(3)]
        await pacing.think(0.1)
        assert (pool.stats().waiting, pool.stats().running) == (3, SIZE)
        with pytest.raises(PoolFull, match="3 tasks wait already") as caught:
            await pool.run(work.give, 3)
        assert caught.value.retry_after >= 1
        await drop(busy)
        assert await asyncio.gather(*waiting) == [0, 1, 2]
        assert await pool.run(work.give, 3) == 3

    play(scenario, Terms(limit=3))


def test_broadcasts_wait_in_the_same_queue_and_are_refused_likewise(
    play: Play, tmp_path: Path
) -> None:
    async def scenario(pool: Pool) -> None:
        busy = await fill(pool, tmp_path / "busy")
        everywhere = [asyncio.create_task(pool.broadcast(work.give, 1)) for _ in range(2)]
        await counted(pool, 3 * SIZE)
        with pytest.raises(PoolFull, match="3 tasks wait already"):
            await pool.broadcast(work.give, 2)
        await drop(busy)
        assert await asyncio.gather(*everywhere) == [[1] * SIZE] * 2
        assert await pool.broadcast(work.give, 3) == [3] * SIZE

    play(scenario, Terms(limit=3))


def test_a_broadcast_is_refused_where_as_many_others_wait_as_may(
    play: Play, tmp_path: Path
) -> None:
    async def scenario(pool: Pool) -> None:
        busy = await fill(pool, tmp_path / "busy")
        waiting = [asyncio.create_task(pool.run(work.give, n)) for n in range(3)]
        await counted(pool, SIZE + 3)
        with pytest.raises(PoolFull, match="3 tasks wait already"):
            await pool.broadcast(work.give, 3)
        await drop(busy)
        assert await asyncio.gather(*waiting) == [0, 1, 2]

    play(scenario, Terms(limit=3))


# -- many --------------------------------------------------------------------


def test_a_map_is_in_order(play: Play) -> None:
    async def scenario(pool: Pool) -> None:
        assert [each async for each in pool.map(work.give, range(20))] == list(range(20))

    play(scenario)


def test_a_broadcast_runs_once_everywhere(play: Play, tmp_path: Path) -> None:
    async def scenario(pool: Pool) -> None:
        await pool.broadcast(work.note, str(tmp_path / "log"), "here")
        assert read(tmp_path / "log") == ["here"] * SIZE

    play(scenario)


def test_a_stream_comes_as_it_is_made_and_waits_for_its_reader(play: Play, tmp_path: Path) -> None:
    async def scenario(pool: Pool) -> None:
        path = tmp_path / "log"
        items = pool.stream(work.counting, 100, str(path))
        assert [await anext(items) for _ in range(3)] == [0, 1, 2]
        await pacing.think(0.3)
        assert len(read(path)) <= 3 + WINDOW + 1
        assert [each async for each in items] == list(range(3, 100))

    play(scenario)


def test_an_error_in_a_stream_comes_after_its_items(play: Play) -> None:
    async def scenario(pool: Pool) -> None:
        items = pool.stream(work.counting_badly, 40)
        assert [await anext(items) for _ in range(40)] == list(range(40))
        with pytest.raises(work.PeculiarError):
            await anext(items)

    play(scenario)


def test_a_stream_that_nobody_reads_to_its_end_ends(play: Play, tmp_path: Path) -> None:
    async def scenario(pool: Pool) -> None:
        path = tmp_path / "log"
        items = pool.stream(work.counting, 10**9, str(path))
        assert await anext(items) == 0
        await lines(path, WINDOW)
        await cast("AsyncGenerator[int]", items).aclose()
        await pool.broadcast(work.pid)
        assert pool.stats().running == 0

    play(scenario)


# -- the end -----------------------------------------------------------------


def test_what_waits_or_runs_when_the_pool_closes_fails(play: Play, tmp_path: Path) -> None:
    async def scenario(pool: Pool) -> None:
        tasks = await fill(pool, tmp_path / "log")
        tasks.append(asyncio.create_task(pool.run(work.pause, 0)))
        await pacing.think(0.05)
        await pool.close()
        for each in tasks:
            with pytest.raises(PoolError, match="the pool was closed"):
                await each

    play(scenario)
