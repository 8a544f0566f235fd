import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.to_thread
import pytest
from tests.worker.conftest import Run

from prefork.worker.tasks import Tasks, Work

VALUE: ContextVar[str] = ContextVar("VALUE")


class Starter:
    """Starts from a callback of the loop, as a protocol does: no task is taking a step then."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.tasks = Tasks(self._loop)

    async def __call__(self, work: Work, *, cancel: bool = False) -> asyncio.Task[None] | None:
        """*cancel*: before its task has had a turn."""
        started: asyncio.Future[asyncio.Task[None] | None] = self._loop.create_future()

        def begin() -> None:
            task = self.tasks.start(work)
            if cancel and task is not None:
                task.cancel()
            started.set_result(task)

        self._loop.call_soon(begin)
        return await started


def scenario(body: Callable[[Starter, list[Any]], Awaitable[None]]) -> Work:
    async def live() -> None:
        await body(Starter(), [])

    return live()


def current() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def finish(task: asyncio.Task[None] | None) -> None:
    """Wait for its end, by cancellation too."""
    assert task is not None
    await asyncio.wait([task], timeout=5)
    assert task.done()


def test_what_never_waits_is_over_at_once_and_has_a_current_task(run: Run) -> None:
    async def body(start: Starter, seen: list[Any]) -> None:
        async def work() -> None:
            seen.append(id(current()))

        async def kept() -> None:
            seen.append(current())

        assert await start(work()) is None
        assert await start(work()) is None
        assert seen[0] == seen[1]
        assert await start(kept()) is None
        assert await start(kept()) is None
        assert seen[2] is not seen[3]
        await asyncio.sleep(0.001)
        assert seen[2].cancelled()

    run(scenario(body))


def test_what_waits_has_one_task_from_its_first_step_to_its_last(run: Run) -> None:
    async def body(start: Starter, seen: list[Any]) -> None:
        async def work() -> None:
            seen.append(current())
            await asyncio.sleep(0)
            seen.append(current())
            await asyncio.sleep(0.001)
            seen.append(current())

        first, second = await start(work()), await start(work())
        await finish(first)
        await finish(second)
        assert seen.count(first) == seen.count(second) == 3
        assert first is not second

    run(scenario(body))


@pytest.mark.parametrize("waits", [False, True])
def test_no_request_sees_the_variables_of_another(run: Run, waits: bool) -> None:
    async def body(start: Starter, seen: list[Any]) -> None:
        async def work(name: str) -> None:
            seen.append(VALUE.get("unset"))
            VALUE.set(name)
            if waits:
                await asyncio.sleep(0)
            assert VALUE.get() == name
            later = asyncio.create_task(told())
            if waits:
                assert await later == name

        async def told() -> str:
            return VALUE.get()

        for name in ("a", "b", "c"):
            task = await start(work(name))
            if waits:
                await finish(task)
        assert seen == ["unset"] * 3

    run(scenario(body))


def test_a_cancellation_reaches_what_is_waited_for(run: Run) -> None:
    async def body(start: Starter, seen: list[Any]) -> None:
        async def inner() -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                seen.append("inner")
                raise

        async def work() -> None:
            try:
                await asyncio.create_task(inner())
            except asyncio.CancelledError:
                seen.append("work")
                raise

        task = await start(work())
        assert task is not None
        await asyncio.sleep(0.001)
        task.cancel()
        await finish(task)
        assert (seen, task.cancelled()) == (["inner", "work"], True)

    run(scenario(body))


def test_a_cancellation_before_the_task_has_looked_is_as_any_other(run: Run) -> None:
    async def body(start: Starter, seen: list[Any]) -> None:
        async def work() -> None:
            try:
                await waited_for
            except asyncio.CancelledError:
                await asyncio.sleep(0)  # it may still do something
                seen.append("cancelled")

        waited_for = asyncio.get_running_loop().create_future()
        await finish(await start(work(), cancel=True))
        assert seen == ["cancelled"]
        assert waited_for.cancelled()

    run(scenario(body))


def test_a_cancellation_where_only_a_turn_is_waited_for(run: Run) -> None:
    async def body(start: Starter, seen: list[Any]) -> None:
        async def work() -> None:
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        task = await start(work(), cancel=True)
        await finish(task)
        assert task is not None
        assert (seen, task.cancelled()) == (["cancelled"], True)

    run(scenario(body))


@pytest.mark.parametrize("waits", [False, True])
def test_who_cancels_itself_harms_nobody_else(run: Run, waits: bool) -> None:
    async def body(start: Starter, seen: list[Any]) -> None:
        async def cancels() -> None:
            current().cancel()
            if waits:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    seen.append("cancelled")

        async def work() -> None:
            await asyncio.sleep(0.001)
            seen.append("served")

        await asyncio.sleep(0.001)  # so that the spare task waits
        task = await start(cancels())
        if waits:
            await finish(task)
        await finish(await start(work()))
        assert seen == ["cancelled", "served"][0 if waits else 1 :]

    run(scenario(body))


def test_timeouts_groups_and_scopes_work_across_the_first_wait(run: Run) -> None:
    async def body(start: Starter, seen: list[Any]) -> None:
        async def work() -> None:
            try:
                async with asyncio.timeout(0.01):
                    await asyncio.sleep(60)
            except TimeoutError:
                seen.append("timeout")
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(0))
            with anyio.move_on_after(0.01) as scope:
                await anyio.sleep(60)
            seen.append(scope.cancelled_caught)
            seen.append(await anyio.to_thread.run_sync(lambda: "thread"))

        async def scoped() -> None:
            with anyio.move_on_after(0.01) as scope:
                await anyio.sleep(60)
            seen.append(scope.cancelled_caught)

        await finish(await start(work()))
        await finish(await start(scoped()))
        assert seen == ["timeout", True, "thread", True]

    run(scenario(body))


def test_an_error_of_what_is_waited_for_arrives(run: Run) -> None:
    async def body(start: Starter, seen: list[Any]) -> None:
        async def work() -> None:
            for _ in range(2):
                future = asyncio.get_running_loop().create_future()
                asyncio.get_running_loop().call_soon(future.set_exception, KeyError("x"))
                try:
                    await future
                except KeyError as error:
                    seen.append(error.args)
            seen.append(await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2)))

        await finish(await start(work()))
        assert seen == [("x",), ("x",), [1, 2]]

    run(scenario(body))


def test_one_that_is_started_later_has_a_task_of_its_own(run: Run) -> None:
    async def body(start: Starter, seen: list[Any]) -> None:
        async def work() -> None:
            seen.append(current())

        task = start.tasks.later(work())
        await finish(task)
        assert seen == [task]

    run(scenario(body))


def test_nothing_is_left_to_complain_about(
    run: Run, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async def body(start: Starter, seen: list[Any]) -> None:
        async def work() -> None:
            seen.append(current())
            await asyncio.sleep(60)

        assert await start(work()) in seen

    run(scenario(body))
    gc.collect()
    assert (caplog.text, capsys.readouterr().err) == ("", "")


def test_a_cancellation_that_comes_when_its_request_is_over_hits_nobody(run: Run) -> None:
    async def body(start: Starter, seen: list[Any]) -> None:
        async def leaves() -> None:
            asyncio.get_running_loop().call_later(0.002, current().cancel)

        async def work() -> None:
            await asyncio.sleep(0.005)
            seen.append("served")

        await asyncio.sleep(0.001)
        assert await start(leaves()) is None
        await finish(await start(work()))
        assert seen == ["served"]

    run(scenario(body))


def test_of_several_that_begin_in_a_turn_each_may_be_cancelled_at_once(run: Run) -> None:
    async def body(start: Starter, seen: list[Any]) -> None:
        async def work(name: str) -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await asyncio.sleep(0)
                seen.append(name)

        loop = asyncio.get_running_loop()
        begun: asyncio.Future[list[asyncio.Task[None] | None]] = loop.create_future()

        def begin() -> None:
            tasks = [start.tasks.start(work(name)) for name in "abc"]
            for task in tasks:
                assert task is not None
                task.cancel()
            begun.set_result(tasks)

        loop.call_soon(begin)
        for task in await begun:
            await finish(task)
        assert sorted(seen) == ["a", "b", "c"]

    run(scenario(body))
