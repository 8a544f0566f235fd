import asyncio
from collections.abc import Iterator

import pytest

from prefork.cluster.lease import OUTSIDE, Lease
from prefork.pool.engine import Call, Task
from prefork.pool.errors import PoolError, PoolFull
from prefork.pool.pace import Pace


class Engine:
    """An engine that notes what it is told, and has room for one task."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.pace = Pace()
        self.is_full = False

    def submit(self, _task: Task) -> None:
        if self.is_full:
            raise PoolFull("no room")
        self.is_full = True

    async def submit_to_all(self, call: Call, limit: float | None) -> list[Task]:
        loop = asyncio.get_running_loop()
        return [Task(call, loop.create_future(), limit) for _ in range(2)]

    def cancel(self, _task: Task) -> None:
        self.told.append("cancel")

    def took(self, _task: Task, items: int) -> None:
        self.told.append(f"took {items}")

    def counts(self) -> dict[str, int]:
        return {"size": 1, "waiting": 0, "running": 0}

    async def close(self) -> None:
        self.told.append("close")


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


def task(runner: asyncio.Runner) -> Task:
    return Task(Call(abs, (1,)), runner.get_loop().create_future())


def begun() -> tuple[Lease, Engine]:
    lease, engine = Lease(), Engine()
    lease.begin(engine)
    return lease, engine


def test_before_it_has_begun_it_takes_nothing(runner: asyncio.Runner) -> None:
    lease = Lease()
    with pytest.raises(PoolError, match=OUTSIDE):
        lease.submit(task(runner))
    with pytest.raises(PoolError, match=OUTSIDE):
        runner.run(lease.submit_to_all(Call(abs), None))
    assert (lease.is_on, lease.counts()["size"]) == (False, 0)


def test_it_knows_the_tasks_that_have_not_ended(runner: asyncio.Runner) -> None:
    lease, _ = begun()
    given = task(runner)
    lease.submit(given)
    everywhere = runner.run(lease.submit_to_all(Call(abs), None))
    assert lease.tasks == {given, *everywhere}
    given.succeed(1)
    runner.run(asyncio.sleep(0))
    assert lease.tasks == set(everywhere)


def test_a_task_that_was_refused_is_none_of_its(runner: asyncio.Runner) -> None:
    lease, _ = begun()
    lease.submit(task(runner))
    with pytest.raises(PoolFull):
        lease.submit(task(runner))
    assert len(lease.tasks) == 1


def test_its_end_ends_every_task_and_says_why(runner: asyncio.Runner) -> None:
    lease, engine = begun()
    given = task(runner)
    lease.submit(given)
    runner.run(lease.end("enough"))
    assert engine.told == ["cancel", "close"]
    for refused in (given.outcome.result, lambda: lease.submit(task(runner)), lease.refuse):
        with pytest.raises(PoolError, match="enough"):
            refused()
    runner.run(lease.end("again"))
    assert engine.told == ["cancel", "close"]


def test_meanwhile_it_hands_on_what_is_said(runner: asyncio.Runner) -> None:
    lease, engine = begun()
    given = task(runner)
    lease.took(given, 8)
    lease.cancel(given)
    assert (engine.told, lease.counts()["size"]) == (["took 8", "cancel"], 1)
    runner.run(lease.close())
    lease.took(given, 8)
    lease.cancel(given)
    assert engine.told == ["took 8", "cancel", "close"]
