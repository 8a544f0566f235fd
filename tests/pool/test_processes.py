import asyncio
import os
import select
import signal
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy
import pytest
from tests.pool import work
from tests.pool.house import house
from tests.support import pacing

from prefork.pool import PoolError, PoolFull, RemoteError, TaskLost, TaskTimeout, process
from prefork.pool.line import TICKET
from prefork.wire.board import Field
from prefork.wire.messages import first_task


async def until(condition: Callable[[], Any]) -> None:
    """Let the loop turn until it holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - it is other processes' doing
            await asyncio.sleep(0.002)


async def lines(path: Path, count: int) -> list[str]:
    """Wait until the file has so many lines, and give them."""
    await until(lambda: path.exists() and path.read_text().count("\n") >= count)
    return _words(path)


def _words(path: Path) -> list[str]:
    return path.read_text().split()


@pytest.mark.anyio
async def test_a_task_runs_in_another_process() -> None:
    async with house() as own:
        assert await own.worker().pool.run(work.pid) in [s.pid for s in own.servants.values()]


@pytest.mark.anyio
async def test_arguments_and_results_travel() -> None:
    async with house() as own:
        pool = own.worker().pool
        for value in (None, 7, "text", b"bytes", [1, {"two": (3,)}], b"x" * 200_000, "y" * 300_000):
            assert await pool.run(work.give, value) == value
        assert await pool.run(work.give, value=8) == 8


@pytest.mark.anyio
async def test_bytes_arrive_as_bytes_and_views_as_views_however_large() -> None:
    async with house() as own:
        pool = own.worker().pool
        for size in (10, 1_000_000):
            assert await pool.run(work.kind, b"x" * size) == "bytes"
            assert await pool.run(work.kind, memoryview(b"x" * size)) == "memoryview"
            assert await pool.run(work.give, memoryview(b"x" * size)) == b"x" * size


@pytest.mark.anyio
@pytest.mark.parametrize("length", [10, 1_000_000])
async def test_an_array_may_be_written_to_where_it_arrives_and_nobody_else_sees_it(
    length: int,
) -> None:
    async with house() as own:
        array = numpy.arange(length, dtype="float64")
        result = await own.worker().pool.run(work.twice, array)
        assert (result == 2 * numpy.arange(length)).all()
        assert array[1] == 1
        result[0] = 5
        assert result[0] == 5


@pytest.mark.anyio
async def test_an_exception_comes_back_itself_with_its_remote_traceback() -> None:
    async with house() as own:
        with pytest.raises(work.PeculiarError) as caught:
            await own.worker().pool.run(work.raise_peculiar, 5)
        assert caught.value.number == 5
        cause = caught.value.__cause__
        assert isinstance(cause, RemoteError)
        assert "raise PeculiarError(number)" in str(cause)
        assert "turn.py" not in str(cause)


@pytest.mark.anyio
async def test_an_exception_that_cannot_travel_is_told_in_words() -> None:
    async with house() as own:
        with pytest.raises(RemoteError, match="StubbornError: 3"):
            await own.worker().pool.run(work.raise_stubborn)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((work.give, work.Inert()), "argument 1 of tests.pool.work:give .* Inert stays"),
        ((lambda: 1,), "is not importable"),
    ],
    ids=["argument", "function"],
)
async def test_what_cannot_be_given_away_fails_at_once_by_name(
    arguments: tuple[Any, ...], said: str
) -> None:
    async with house() as own:
        with pytest.raises(TypeError, match=said):
            await own.worker().pool.run(*arguments)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("function", "said"),
    [
        (work.inert, "the result of tests.pool.work:inert, a Inert, can't be given back"),
        (work.asynchronous, "runs plain functions"),
        (work.counting, "see pool.stream"),
    ],
    ids=["inert", "async", "generator"],
)
async def test_a_result_that_cannot_be_given_back_is_told(
    function: Callable[..., Any], said: str
) -> None:
    async with house() as own:
        pool = own.worker().pool
        with pytest.raises(TypeError, match=said):
            await pool.run(function, *([3] if function is work.counting else []))
        assert await pool.run(work.give, 1) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("function", "argument", "status"),
    [(work.leave, 3, 3), (work.vanish, 4, 4), (work.die, signal.SIGKILL, -9), (work.die, 11, -11)],
    ids=["exit", "_exit", "kill", "segv"],
)
async def test_a_task_whose_process_ends_fails_alone(
    function: Callable[..., Any], argument: int, status: int
) -> None:
    async with house(1) as own:
        pool = own.worker().pool
        lost = asyncio.ensure_future(pool.run(function, argument))
        others = [asyncio.ensure_future(pool.run(work.give, n)) for n in range(20)]
        with pytest.raises(TaskLost) as caught:
            await lost
        assert caught.value.status == status
        assert await asyncio.gather(*others) == list(range(20))


@pytest.mark.anyio
async def test_a_task_that_was_given_and_not_begun_is_run_by_another(tmp_path: Path) -> None:
    """A process is stopped before it reads, and killed."""
    async with house(1) as own:
        pool = own.worker().pool
        await pool.run(work.pid)
        [first] = own.servants.values()
        os.kill(first.pid, signal.SIGSTOP)
        task = asyncio.ensure_future(pool.run(work.pause, 0, str(tmp_path / "ran"), "once"))
        await until(lambda: own.workers[0].board[Field.TASKS_RUNNING] == 1)
        own.kill(first.id)
        assert await task != first.pid
        assert await lines(tmp_path / "ran", 1) == ["once"]


@pytest.mark.anyio
async def test_cancelled_a_waiting_task_never_runs(tmp_path: Path) -> None:
    async with house(1) as own:
        pool = own.worker().pool
        await pool.run(work.pid)
        first = asyncio.ensure_future(pool.run(work.wait_for, str(tmp_path / "gate")))
        second = asyncio.ensure_future(pool.run(work.note, str(tmp_path / "ran"), "second"))
        await until(lambda: pool.stats().waiting == 1)
        second.cancel()
        await asyncio.wait([second])
        assert pool.stats().waiting == 0
        (tmp_path / "gate").touch()
        await first
        await pool.run(work.note, str(tmp_path / "ran"), "third")
        assert (tmp_path / "ran").read_text() == "third\n"


@pytest.mark.anyio
async def test_cancelled_a_running_task_is_interrupted_and_can_tidy_up(tmp_path: Path) -> None:
    async with house(1) as own:
        pool = own.worker().pool
        task = asyncio.ensure_future(pool.run(work.tidy, str(tmp_path / "log")))
        await lines(tmp_path / "log", 1)
        [process] = own.servants
        task.cancel()
        assert await lines(tmp_path / "log", 2) == ["begun", "tidied"]
        assert await pool.run(work.give, 1) == 1
        assert list(own.servants) == [process]


@pytest.mark.anyio
async def test_a_task_that_never_returns_to_python_is_killed_after_the_grace(
    tmp_path: Path,
) -> None:
    async with house(1) as own:
        pool = own.worker().pool
        task = asyncio.ensure_future(pool.run(work.hold, str(tmp_path / "pid")))
        await lines(tmp_path / "pid", 1)
        [first] = own.servants.values()
        task.cancel()
        assert (await first.exited).status == -signal.SIGKILL
        assert await pool.run(work.give, 1) == 1


@pytest.mark.anyio
async def test_cancelled_while_its_arguments_are_written_a_task_never_runs(tmp_path: Path) -> None:
    async with house(1) as own:
        pool = own.worker().pool
        await pool.run(work.pid)
        heavy = memoryview(bytes(30_000_000))
        for _ in range(3):
            task = asyncio.ensure_future(pool.run(work.pause, 0, str(tmp_path / "ran"), heavy))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        await until(lambda: pool.stats().running == 0)
        assert await pool.run(work.give, 1) == 1
        assert not (tmp_path / "ran").exists()


@pytest.mark.anyio
async def test_killed_while_arguments_are_written_another_process_gets_them() -> None:
    async with house(1) as own:
        pool = own.worker().pool
        await pool.run(work.pid)
        [first] = own.servants
        task = asyncio.ensure_future(pool.run(work.give, memoryview(bytes(30_000_000))))
        await asyncio.sleep(0)
        own.kill(first)
        assert len(await task) == 30_000_000


@pytest.mark.anyio
async def test_a_timeout_counts_from_the_start_of_the_task() -> None:
    async with house(1) as own:
        pool = own.worker().pool
        first = asyncio.ensure_future(pool.run(work.pause, 1.2))
        assert await pool.run(work.give, 1, timeout=1.0) == 1
        await first
        with pytest.raises(TaskTimeout, match=r"work:pause ran for over 0\.1 s"):
            await pool.run(work.pause, 30, timeout=0.1)
        assert await pool.run(work.give, 2) == 2


@pytest.mark.anyio
async def test_what_was_told_to_cancel_and_ended_meanwhile_is_of_use_again() -> None:
    """Cancels that cross the answer: the process must neither die nor be lost."""
    async with house(1) as own:
        pool = own.worker().pool
        for turn in range(200):
            task = asyncio.ensure_future(pool.run(work.give, turn))
            for _ in range(turn % 7):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        assert await pool.run(work.give, 1) == 1
        assert not own.exits


@pytest.mark.anyio
async def test_tasks_of_more_priority_come_first_and_equals_by_age(tmp_path: Path) -> None:
    async with house(1) as own:
        pool = own.worker().pool
        path = str(tmp_path / "order")
        await pool.run(work.pid)
        tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(pool.run(work.pause, 0.1))]
        for name, priority in [("a", 0), ("b", 5), ("c", 5), ("d", -1), ("e", 0)]:
            tasks.append(asyncio.ensure_future(pool.run(work.note, path, name, priority=priority)))
        await asyncio.gather(*tasks)
        assert (tmp_path / "order").read_text().split() == ["b", "c", "a", "e", "d"]


@pytest.mark.anyio
async def test_over_its_limit_a_queue_refuses_and_takes_more_once_there_is_room(
    tmp_path: Path,
) -> None:
    async with house(1) as own:
        pool = own.worker(limit=3).pool
        await pool.run(work.pid)
        gate = str(tmp_path / "gate")
        tasks = [asyncio.ensure_future(pool.run(work.wait_for, gate)) for _ in range(4)]
        await until(lambda: pool.stats().waiting == 3)
        with pytest.raises(PoolFull) as caught:
            await pool.run(work.pid)
        (tmp_path / "gate").touch()
        assert caught.value.retry_after >= 1
        await tasks[0]
        await asyncio.gather(*tasks, pool.run(work.pid))


@pytest.mark.anyio
async def test_a_map_is_in_order_and_bounded() -> None:
    async with house(2) as own:
        pool = own.worker().pool
        await pool.run(work.pid)
        most = 0
        seen = []
        async for item in pool.map(work.give, range(40), limit=3):
            counts = pool.stats()
            most = max(most, counts.waiting + counts.running)
            seen.append(item)
        assert seen == list(range(40))
        assert most <= 3


@pytest.mark.anyio
async def test_a_map_that_fails_cancels_what_it_has_begun() -> None:
    async with house(1) as own:
        pool = own.worker().pool
        with pytest.raises(work.PeculiarError):
            async for _ in pool.map(work.raise_peculiar, range(10)):
                pass
        await until(lambda: pool.stats().waiting + pool.stats().running == 0)


@pytest.mark.anyio
async def test_a_stream_yields_in_order_and_waits_for_its_reader(tmp_path: Path) -> None:
    async with house(1) as own:
        pool = own.worker().pool
        path = tmp_path / "made"
        seen: list[int] = []
        async for item in pool.stream(work.counting, 100, str(path)):
            if not seen:
                await lines(path, 16)
                pacing_count = len(path.read_text().split())
                assert pacing_count <= 18  # sixteen unread, and the one that is being made
            seen.append(item)
        assert seen == list(range(100))


@pytest.mark.anyio
async def test_a_stream_that_is_left_ends(tmp_path: Path) -> None:
    async with house(1) as own:
        pool = own.worker().pool
        stream = pool.stream(work.counting, 10**9, str(tmp_path / "made"))
        assert await anext(stream) == 0
        await stream.aclose()  # type: ignore[attr-defined]
        assert await pool.run(work.give, 1) == 1
        assert not own.exits


@pytest.mark.anyio
async def test_a_worker_knows_of_no_process_before_its_first_task() -> None:
    async with house(2) as own:
        pool = own.worker().pool
        assert pool.stats().size == 0
        await pool.run(work.pid)
        await until(lambda: pool.stats().size == 2)


@pytest.mark.anyio
async def test_a_broadcast_reaches_each_process_once() -> None:
    async with house(3) as own:
        pool = own.worker().pool
        await pool.run(work.pid)
        busy = asyncio.ensure_future(pool.run(work.pause, 0.1))
        assert sorted(await pool.broadcast(work.pid)) == sorted(
            s.pid for s in own.servants.values()
        )
        await busy


@pytest.mark.anyio
async def test_broadcasts_that_wait_for_the_first_process_are_bounded_too() -> None:
    async with house(0) as own:
        pool = own.worker(limit=2).pool
        casts = [asyncio.ensure_future(pool.broadcast(work.give, n)) for n in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(PoolFull, match="2 tasks wait already"):
            await pool.broadcast(work.give, 2)
        own.start()
        assert await asyncio.gather(*casts) == [[0], [1]]


@pytest.mark.anyio
async def test_a_broadcast_that_fails_costs_nobody_elses_task(tmp_path: Path) -> None:
    """One process is busy for others for longer than the grace when the broadcast is given up."""
    async with house(2) as own:
        first, second = own.worker(grace=0.1).pool, own.worker().pool
        await asyncio.gather(first.run(work.pid), second.run(work.pid))
        gate = tmp_path / "gate"
        busy = asyncio.ensure_future(second.run(work.wait_for, str(gate)))
        await until((tmp_path / "gate.begun").exists)
        asyncio.get_running_loop().call_later(0.5, gate.touch)
        with pytest.raises(work.PeculiarError):
            await first.broadcast(work.raise_peculiar, 1)
        await busy
        await until(lambda: first.stats().running == 0)
        assert not own.exits
        assert await first.run(work.give, 1) == 1


@pytest.mark.anyio
async def test_a_task_of_a_broadcast_that_was_cancelled_in_time_is_never_run(
    tmp_path: Path,
) -> None:
    async with house(1) as own:
        first, second = own.worker().pool, own.worker().pool
        await asyncio.gather(first.run(work.pid), second.run(work.pid))
        busy = asyncio.ensure_future(second.run(work.wait_for, str(tmp_path / "gate")))
        await until((tmp_path / "gate.begun").exists)
        cast = asyncio.ensure_future(first.broadcast(work.note, str(tmp_path / "ran"), "x"))
        await until(lambda: first.stats().running == 1)
        cast.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cast
        (tmp_path / "gate").touch()
        await busy
        await until(lambda: first.stats().running == 0)
        assert not (tmp_path / "ran").exists()


@pytest.mark.anyio
async def test_a_broadcast_leaves_out_who_has_gone_before_it_began() -> None:
    async with house(2, pool_max_tasks=1) as own:
        pool = own.worker().pool
        for _ in range(10):
            assert len(set(await pool.broadcast(work.pid))) <= 2
        assert len(own.exits) > 5


@pytest.mark.anyio
async def test_the_time_of_a_broadcasts_task_begins_with_itself(tmp_path: Path) -> None:
    async with house(1) as own:
        first, second = own.worker().pool, own.worker().pool
        await asyncio.gather(first.run(work.pid), second.run(work.pid))
        gate = tmp_path / "gate"
        busy = asyncio.ensure_future(second.run(work.wait_for, str(gate)))
        await until((tmp_path / "gate.begun").exists)
        asyncio.get_running_loop().call_later(1.0, gate.touch)
        assert len(await first.broadcast(work.pid, timeout=0.5)) == 1
        await busy


@pytest.mark.anyio
async def test_what_a_dead_worker_wanted_is_not_begun(tmp_path: Path) -> None:
    async with house(1) as own:
        first, second = own.worker(), own.worker()
        await asyncio.gather(first.pool.run(work.pid), second.pool.run(work.pid))
        busy = asyncio.ensure_future(second.pool.run(work.wait_for, str(tmp_path / "gate")))
        await until((tmp_path / "gate.begun").exists)
        cast = asyncio.ensure_future(first.pool.broadcast(work.note, str(tmp_path / "ran"), "x"))
        await until(lambda: first.pool.stats().running == 1)
        await first.close()
        own.workers.remove(first)
        (tmp_path / "gate").touch()
        await busy
        assert await second.pool.run(work.give, 1) == 1
        assert not (tmp_path / "ran").exists()
        with pytest.raises(Exception, match="closed"):
            await cast


@pytest.mark.anyio
async def test_heavy_arguments_get_their_turn_while_others_wait() -> None:
    async with house(1) as own:
        first, second = own.worker().pool, own.worker().pool
        await asyncio.gather(first.run(work.pid), second.run(work.pid))
        ends = asyncio.Event()

        async def keep_busy() -> None:
            while not ends.is_set():
                await second.run(work.pause, 0.005)

        others = [asyncio.ensure_future(keep_busy()) for _ in range(4)]
        heavy = memoryview(bytes(200_000_000))
        async with asyncio.timeout(20):
            assert await first.run(work.size_of, heavy) == 200_000_000
        ends.set()
        await asyncio.gather(*others)


@pytest.mark.anyio
async def test_after_its_end_a_pool_takes_nothing() -> None:
    async with house(1) as own:
        worker = own.worker()
        await worker.pool.run(work.pid)
        await worker.pool.close()
        with pytest.raises(PoolError, match="the pool was closed"):
            await worker.pool.run(work.pid)


@pytest.mark.anyio
async def test_arguments_for_which_a_process_has_no_room_fail_their_task_alone() -> None:
    async with house(1) as own:
        pool = own.worker().pool
        process = await pool.run(work.pid)
        await pool.run(work.limit_memory, 50_000_000)
        with pytest.raises(MemoryError, match="no room for"):
            await pool.run(work.size_of, memoryview(bytes(100_000_000)))
        assert await pool.run(work.pid) == process


@pytest.mark.anyio
async def test_an_item_that_cannot_be_read_here_ends_its_stream_alone() -> None:
    async with house(1) as own:
        pool = own.worker().pool
        with pytest.raises(RemoteError, match=r"an item of .* can't be read here"):
            async for _ in pool.stream(work.treacherous, 5):
                pass
        assert await pool.run(work.give, 1) == 1


@pytest.mark.anyio
async def test_an_exit_code_that_is_too_long_ends_the_process_all_the_same() -> None:
    async with house(1) as own:
        with pytest.raises(TaskLost) as caught:
            await own.worker().pool.run(work.leave, 2**31 + 7)
        assert caught.value.status == 7


@pytest.mark.anyio
async def test_tasks_that_are_cancelled_wear_a_process_too() -> None:
    async with house(1, pool_max_tasks=2) as own:
        pool = own.worker().pool
        for _ in range(4):
            with pytest.raises(TaskTimeout):
                await pool.run(work.pause, 30, timeout=0.05)
        await until(lambda: len(own.exits) == 2)


@pytest.mark.anyio
async def test_a_busy_worker_cannot_starve_another() -> None:
    async with house(1) as own:
        greedy, modest = own.worker().pool, own.worker().pool
        await asyncio.gather(greedy.run(work.pid), modest.run(work.pid))
        order: list[str] = []

        async def run(pool: Any, name: str) -> None:
            await pool.run(work.pause, 0.005)
            order.append(name)

        tasks = [asyncio.ensure_future(run(greedy, "greedy")) for _ in range(100)]
        await until(lambda: greedy.stats().waiting > 50)
        tasks += [asyncio.ensure_future(run(modest, "modest")) for _ in range(5)]
        await asyncio.gather(*tasks)
        assert max(n for n, name in enumerate(order) if name == "modest") < 25


@pytest.mark.anyio
async def test_a_task_whose_worker_has_gone_is_interrupted_by_the_primary(tmp_path: Path) -> None:
    async with house(1) as own:
        first, second = own.worker(), own.worker()
        task = asyncio.ensure_future(first.pool.run(work.tidy, str(tmp_path / "log")))
        await lines(tmp_path / "log", 1)
        [servant] = own.servants.values()
        await first.close()
        own.workers.remove(first)
        own.kill(servant.id, signal.SIGUSR1)
        assert await lines(tmp_path / "log", 2) == ["begun", "tidied"]
        assert (await servant.exited).status == 0  # who ran it may be killed for it
        assert await second.pool.run(work.give, 1) == 1
        with pytest.raises(Exception, match="closed"):
            await task


@pytest.mark.anyio
async def test_after_so_many_tasks_a_process_says_that_it_is_worn() -> None:
    async with house(1, pool_max_tasks=5) as own:
        pool = own.worker().pool
        pids = [await pool.run(work.pid) for _ in range(20)]
        assert len(set(pids)) == 4
        assert [exit.status for exit in own.exits] == [0] * len(own.exits)


@pytest.mark.anyio
async def test_random_kills_lose_the_victims_task_alone(tmp_path: Path) -> None:
    """Whatever was not begun runs elsewhere, and nothing runs twice."""
    async with house(2) as own:
        pool = own.worker().pool
        path = tmp_path / "ran"
        outcomes = [
            asyncio.ensure_future(pool.run(work.pause, 0.002, str(path), str(n)))
            for n in range(400)
        ]
        kills = 0
        while not all(each.done() for each in outcomes):
            for id in list(own.servants)[:1]:
                own.kill(id)
                kills += 1
            await asyncio.wait(outcomes, timeout=0.02)
        lost = [n for n, each in enumerate(outcomes) if each.exception() is not None]
        assert all(isinstance(outcomes[n].exception(), TaskLost) for n in lost)
        ran = path.read_text().split()
        assert len(ran) == len(set(ran))
        assert len(lost) <= len(own.exits)
        assert {str(n) for n in range(400)} - set(ran) <= {str(n) for n in lost}


@pytest.mark.anyio
@pytest.mark.parametrize("is_said", [True, False], ids=["before its end is said", "free"])
async def test_a_process_that_is_stopped_before_it_begins_is_killed_after_the_grace(
    is_said: bool,
) -> None:
    """The number of the task that it has answered may still be on the board."""
    async with house(1) as own:
        worker = own.worker()
        pool = worker.pool
        await pool.run(work.pid)
        [servant] = own.servants.values()
        os.kill(servant.pid, signal.SIGSTOP)
        own.board.line(servant.line)[Field.TASK] = first_task(worker.id) if is_said else 0
        with pytest.raises(TaskTimeout):
            await pool.run(work.pid, timeout=0.1)
        assert (await servant.exited).status == -signal.SIGKILL
        assert await pool.run(work.give, 1) == 1


@pytest.mark.anyio
async def test_a_worker_that_calls_in_a_row_keeps_its_process() -> None:
    """All tickets go through one pipe: by that, two processes would take turns."""
    async with house(2) as own:
        pool = own.worker().pool
        ran = [await pool.run(work.pid) for _ in range(200)]
        assert sum(one == next for one, next in pairwise(ran)) > 20


@pytest.mark.anyio
async def test_who_has_had_tasks_waiting_keeps_no_process_at_their_end() -> None:
    async with house(2) as own:
        pool = own.worker().pool
        times = []
        for _ in range(9):
            await asyncio.gather(*(pool.run(work.pid) for _ in range(10)))
            tickets: set[tuple[int, ...]] = set()
            began = time.monotonic()
            for servant in own.servants.values():  # no turn of the event loop meanwhile
                offer = own.board.line(servant.line)
                while (servant.id, offer[Field.OFFER]) not in tickets:
                    assert select.select([own.reading], [], [], 10)[0]
                    tickets |= set(TICKET.iter_unpack(os.read(own.reading, 1000)))
            times.append(time.monotonic() - began)
            for ticket in tickets:
                os.write(own.writing, TICKET.pack(*ticket))
        assert min(times) < process.BRIEFLY / 2


@pytest.mark.anyio
async def test_a_copy_that_a_task_forks_answers_nobody() -> None:
    async with house(1) as own:
        pool = own.worker().pool
        process = await pool.run(work.pid)
        assert await pool.run(work.fork) == process
        assert await pool.run(work.pid) == process


@pytest.mark.anyio
@pytest.mark.parametrize("priority", ["high", None, 1.5])
async def test_a_priority_that_is_none_is_refused_at_once(priority: Any) -> None:
    async with house(1) as own:
        pool = own.worker().pool
        with pytest.raises(TypeError, match="a priority must be an int"):
            await pool.run(work.pid, priority=priority)
        assert pool.stats().running == 0


@pytest.mark.anyio
async def test_an_exception_for_which_there_is_no_room_is_named() -> None:
    async with house(1) as own:
        pool = own.worker().pool
        process = await pool.run(work.pid)
        await pool.run(work.limit_memory, 100_000_000)
        with pytest.raises(RemoteError, match="ValueError, of which more can't be said"):
            await pool.run(work.raise_much, 60_000_000)
        assert await pool.run(work.pid) == process


@pytest.mark.anyio
async def test_who_calls_in_a_row_keeps_a_process_from_others_but_briefly() -> None:
    """Were it offered to it as to who waits, that would be for 50 ms."""
    async with house(1) as own:
        pool = own.worker().pool
        times = []
        for _ in range(9):
            for _ in range(5):
                await pool.run(work.pid)
            times.append(time.monotonic())
            select.select([own.reading], [], [], 10)  # all of this event loop, as one that computes
            times[-1] = time.monotonic() - times[-1]
        assert min(times) < 0.04
        assert max(times) < 5


@pytest.mark.anyio
async def test_what_a_worker_wanted_that_died_beside_anothers_task_is_not_begun(
    tmp_path: Path,
) -> None:
    """The process has seen both, before it ran the first: that the second is dead it has not."""
    async with house(1) as own:
        first, second = own.worker(), own.worker()
        await asyncio.gather(first.pool.run(work.pid), second.pool.run(work.pid))
        [servant] = own.servants.values()
        os.kill(servant.pid, signal.SIGSTOP)
        gate = str(tmp_path / "gate")
        casts = [
            asyncio.ensure_future(first.pool.broadcast(work.wait_for, gate)),
            asyncio.ensure_future(second.pool.broadcast(work.wait_for, gate)),
        ]
        await until(lambda: first.pool.stats().running == second.pool.stats().running == 1)
        os.kill(servant.pid, signal.SIGCONT)
        await until((tmp_path / "gate.begun").exists)
        ours = own.board.line(servant.line)[Field.TASK] >= first_task(second.id)
        other = first if ours else second
        await other.close()
        own.workers.remove(other)
        (tmp_path / "gate").touch()
        await asyncio.gather(*casts, return_exceptions=True)
        last = second if ours else first
        assert await last.pool.run(work.give, 1) == 1
        assert (tmp_path / "gate.begun").read_text() == "\n", "it was begun twice"


@pytest.mark.anyio
async def test_a_cancellation_that_waits_for_room_on_its_line_is_heeded_once_it_is_sent(
    tmp_path: Path,
) -> None:
    """The signal that stands for it comes at once, and finds only what was sent before."""
    async with house(1) as own:
        pool = own.worker(grace=60.0).pool
        await pool.run(work.pid)
        running = asyncio.ensure_future(pool.run(work.pause, 60, str(tmp_path / "log"), "begun"))
        await lines(tmp_path / "log", 1)
        big = b"x" * 60_000  # in the frame itself: more than a socket holds, of several
        casts = [asyncio.ensure_future(pool.broadcast(work.give, big)) for _ in range(6)]
        await until(lambda: pool.stats().running == 7)
        running.cancel()
        await asyncio.wait([running])
        pacing.hold(0.1)  # this event loop, so that nothing is sent while the process looks
        async with asyncio.timeout(20):
            assert await asyncio.gather(*casts) == [[big]] * 6
        assert not own.exits
