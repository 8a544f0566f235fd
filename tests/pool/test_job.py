"""What whoever waits for a task is told, whatever its process has answered."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.pool import work

from prefork.pool import codec
from prefork.pool.engine import Call, Task
from prefork.pool.errors import RemoteError
from prefork.pool.job import Job
from prefork.pool.line import Frame, Kind


def told(answer: Callable[[], tuple[int, Any]]) -> "asyncio.Future[Any]":
    async def conclude() -> "asyncio.Future[Any]":
        task = Task(Call(work.give), asyncio.get_running_loop().create_future())
        kind, parcel = answer()
        Job(task, 1, codec.EMPTY).conclude(Frame(kind, 1, 0, 0, parcel))
        return task.outcome

    return asyncio.run(conclude())


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt])
def test_a_result_that_can_not_be_restored_fails_the_task_alone(kind: type[BaseException]) -> None:
    outcome = told(lambda: (Kind.RESULT, codec.pack(work.Trap(kind))))
    error = outcome.exception()
    assert isinstance(error, RemoteError)
    assert f"the result of tests.pool.work:give can't be read here: {kind.__name__}" in str(error)
    assert "in spring" in error.traceback
    assert (error.__traceback__, error.__context__) == (None, None)  # they would keep the task


def test_an_error_that_can_not_be_restored_is_told() -> None:
    outcome = told(lambda: (Kind.ERROR, codec.pack_error(work.FrozenError(1), __file__)))
    assert isinstance(outcome.exception(), RemoteError)
