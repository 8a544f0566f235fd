"""A Dask cluster as an engine: what there could go wrong that can't elsewhere."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import uvloop
from tests.pool import work
from tests.pool.rigs import SIZE, Terms, cluster, dask
from tests.support import pacing
from tests.support.dask_cluster import DaskCluster

from prefork.pool import PoolError, RemoteError, TaskLost, TaskTimeout
from prefork.pool.client import Pool
from prefork.pool.engines.dask import Dask

pytestmark = pytest.mark.alone  # it shares its cluster with the tests of conformance

PATIENCE = 60.0  # seconds


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    async def live() -> None:
        async with asyncio.timeout(PATIENCE):
            await scenario()

    asyncio.run(live())


async def lines(path: Path, count: int) -> list[str]:
    """Wait until tasks have written so many."""
    while len(read(path)) < count:
        await pacing.think(0.002)
    return read(path)


def read(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def test_a_task_whose_worker_is_killed_is_lost_at_once_and_never_run_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with dask(Terms()) as pool:
            path = tmp_path / "log"
            running = asyncio.create_task(pool.run(work.hold, str(path)))
            (pid,) = await lines(path, 1)
            waiting = [asyncio.create_task(pool.run(work.pid)) for _ in range(20)]
            os.kill(int(pid), signal.SIGKILL)
            # Nobody here hears of it meanwhile, and the other worker has nothing to do.
            pacing.hold(1.5)
            with pytest.raises(TaskLost, match=r"work:hold was lost: its Dask worker.* has ended"):
                await running
            assert int(pid) not in await asyncio.gather(*waiting)
            assert read(path) == [pid]

    play(scenario)


def test_one_that_had_not_begun_is_run_by_another_worker(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with dask(Terms()) as first, dask(Terms()) as second:
            path = tmp_path / "pids"
            running = [asyncio.create_task(first.run(work.hold, str(path))) for _ in range(SIZE)]
            pids = await lines(path, SIZE)
            waiting = [
                asyncio.create_task(second.run(work.note, str(tmp_path / "log"), str(number)))
                for number in range(SIZE)
            ]
            await pacing.think(0.3)  # Dask's workers have them in their queues
            for pid in pids:
                os.kill(int(pid), signal.SIGKILL)
            for each in running:
                with pytest.raises(TaskLost):
                    await each
            await asyncio.gather(*waiting)
            assert sorted(read(tmp_path / "log")) == ["0", "1"]

    play(scenario)


def test_what_the_workers_cannot_import_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_here.py").write_text("def work():\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)

    async def scenario() -> None:
        import only_here  # type: ignore[import-not-found]  # noqa: PLC0415

        async with dask(Terms()) as pool:
            with pytest.raises(ModuleNotFoundError, match="only_here"):
                await pool.run(only_here.work)

    play(scenario)
    sys.modules.pop("only_here")


def test_it_runs_on_uvloop_too() -> None:
    async def scenario() -> None:
        async with dask(Terms()) as pool:
            assert [each async for each in pool.stream(work.counting, 40)] == list(range(40))
            assert await pool.run(work.give, 1) == 1

    uvloop.run(asyncio.wait_for(scenario(), PATIENCE))


def test_nothing_is_left_at_the_scheduler() -> None:
    async def scenario() -> None:
        async with dask(Terms()) as pool:
            await pool.run(work.give, 1)
            assert [each async for each in pool.stream(work.counting, 3)] == [0, 1, 2]
        engine = Dask(cluster().address, 1, 0.3)
        client = await engine.link.client()
        while left := set(await client.run_on_scheduler(queues)) - {engine.link.inbox}:
            await pacing.think(0.05)
        assert left == set()
        await engine.close()

    play(scenario)


def queues(dask_scheduler: object) -> list[str]:
    return list(dask_scheduler.extensions["queues"].queues)  # type: ignore[attr-defined]


def test_an_item_that_cannot_be_read_here_ends_its_stream(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with dask(Terms()) as pool:
            stream = pool.stream(work.counting_homesick, str(tmp_path / "log"))
            assert await anext(stream) == 0
            with pytest.raises(RemoteError, match=r"an item of .*homesick can't be read here: .*"):
                await anext(stream)
            assert await lines(tmp_path / "log", 1) == ["closed"]

    play(scenario)


def test_a_task_whose_result_overtakes_the_word_of_its_begin_did_not_run_for_days() -> None:
    async def scenario() -> None:
        async with dask(Terms()) as pool:
            engine = pool._engine
            assert isinstance(engine, Dask)
            engine.link._hearers = engine.link._hearers._replace(begun=lambda *_: None)
            await pool.run(work.give, 1)
            stats = pool.stats()
            assert stats.done == 1
            assert stats.run is not None
            assert stats.run.p999 < PATIENCE * 1000
            assert engine.pace.until_done(1, 1) == 1

    play(scenario)


def test_a_broadcast_does_not_wait_for_a_worker_that_went_as_it_began() -> None:
    async def scenario() -> None:
        async with dask(Terms()) as pool:
            engine = pool._engine
            assert isinstance(engine, Dask)
            client = await engine.link.client()
            nthreads = client.nthreads
            gone = [{"tcp://127.0.0.1:1": 1}]

            async def nthreads_just_before() -> dict[str, int]:
                return {**await nthreads(), **(gone.pop() if gone else {})}

            client.nthreads = nthreads_just_before
            with pytest.raises(TaskLost, match=r"worker, tcp://127\.0\.0\.1:1, has ended"):
                await pool.broadcast(work.pid)

    play(scenario)


# -- a cluster of another shape -------------------------------------------------


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """One process that runs two tasks at a time."""
    made = DaskCluster(tmp_path_factory.mktemp("dask"), workers=1, threads=2)
    made.start()
    yield made
    made.stop()


def by(
    cluster: DaskCluster, scenario: Callable[[Pool], Awaitable[None]]
) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        pool = Pool(Dask(cluster.address, 10, 0.2))
        try:
            await scenario(pool)
        finally:
            await pool.close()

    return run


def test_a_process_that_has_another_task_ends_only_after_that(
    shared: DaskCluster, tmp_path: Path
) -> None:
    async def scenario(pool: Pool) -> None:
        pid = await pool.run(work.pid)
        while pool.stats().size < 2:
            await pacing.think(0.05)
        path = tmp_path / "log"
        neighbour = asyncio.create_task(pool.run(work.pause, 2.0, str(path), "begun"))
        await lines(path, 1)
        with pytest.raises(TaskTimeout):
            await pool.run(work.ignore, str(path), 60.0, timeout=0.2)
        assert await neighbour == pid
        assert await pool.run(work.pid) != pid

    play(by(shared, scenario))


def test_a_condemned_process_whose_task_ends_by_itself_takes_tasks_again(
    shared: DaskCluster, tmp_path: Path
) -> None:
    async def scenario(pool: Pool) -> None:
        pid = await pool.run(work.pid)
        while pool.stats().size < 2:
            await pacing.think(0.05)
        path = tmp_path / "log"
        neighbour = asyncio.create_task(pool.run(work.pause, 2.5, str(path), "begun"))
        await lines(path, 1)
        with pytest.raises(TaskTimeout):
            await pool.run(work.ignore, str(path), 1.5, timeout=0.2)
        assert await neighbour == pid
        assert await pool.run(work.pid) == pid

    play(by(shared, scenario))


def test_a_process_all_of_whose_tasks_are_condemned_ends(
    shared: DaskCluster, tmp_path: Path
) -> None:
    async def scenario(pool: Pool) -> None:
        pid = await pool.run(work.pid)
        while pool.stats().size < 2:
            await pacing.think(0.05)
        log = str(tmp_path / "log")
        stubborn = [pool.run(work.ignore, log, 120.0, timeout=0.2) for _ in "ab"]
        for each in await asyncio.gather(*stubborn, return_exceptions=True):
            assert isinstance(each, TaskTimeout)
        assert await pool.run(work.pid) != pid

    play(by(shared, scenario))


def test_a_scheduler_that_is_away_is_named_and_found_again_when_it_is_back(
    shared: DaskCluster, tmp_path: Path
) -> None:
    async def scenario(pool: Pool) -> None:
        running = asyncio.create_task(pool.run(work.hold, str(tmp_path / "log")))
        await lines(tmp_path / "log", 1)
        shared.stop()
        with pytest.raises(TaskLost, match="work:hold was lost"):
            await running
        with pytest.raises(PoolError, match=f"dask://{shared.address} can't be reached"):
            await pool.run(work.give, 1)
        assert pool.stats().size == 0
        shared.start()
        while True:
            try:
                assert await pool.run(work.give, 1) == 1
                break
            except PoolError:
                await pacing.think(0.1)

    play(by(shared, scenario))
