"""Coroutines that wait for shared memory, with a futex and without one."""

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.memory.children import exit_codes, fork
from tests.memory.watchers import watchers
from tests.support.pacing import think

from prefork import SharedArray
from prefork.memory import futex, segment
from prefork.wire.descriptors import close_all

needs_futex = pytest.mark.skipif(not futex.is_there(), reason="there is no futex here")


@pytest.fixture(params=[pytest.param("futex", marks=needs_futex), "looks"])
def has_futex(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "futex")


@pytest.fixture
def array(has_futex: bool, monkeypatch: pytest.MonkeyPatch) -> SharedArray[int]:
    """One number, which changes are waited for this way."""
    monkeypatch.setattr(futex, "is_there", lambda: has_futex)
    array = SharedArray("number", "q", 1)
    assert array[0] == 0
    return array


def change(array: SharedArray[int], value: int) -> None:
    array.store(0, value)
    array.notify(0)


def test_what_has_changed_already_is_not_waited_for(array: SharedArray[int]) -> None:
    array[0] = 4
    assert asyncio.run(array.wait(0, 0)) == 4
    assert watchers() == []


def test_a_hundred_wait_by_one_thread_which_ends_with_the_last(
    array: SharedArray[int], has_futex: bool
) -> None:
    async def wait() -> None:
        waiting = [asyncio.create_task(array.wait(0, 0, timeout=20)) for _ in range(100)]
        await asyncio.sleep(0)
        threads = watchers()
        assert len(threads) == has_futex
        assert exit_codes(fork(lambda: change(array, 3))) == [0]
        assert await asyncio.gather(*waiting) == [3] * 100
        for each in threads:
            await asyncio.to_thread(each.join, 20)
        assert watchers() == []

    asyncio.run(wait())


def test_a_change_between_the_look_and_the_sleep_is_not_missed(
    array: SharedArray[int],
) -> None:
    looks = iter([False])

    async def wait() -> None:
        other = asyncio.create_task(array.wait(0, 0, timeout=20))  # its thread sleeps already
        await think(0.02)
        async with asyncio.timeout(20):
            await segment.attach("", "number", 8).bell.wait(lambda: next(looks, True))
        other.cancel()

    asyncio.run(wait())


def test_who_waits_for_another_value_goes_on_waiting(array: SharedArray[int]) -> None:
    async def wait() -> None:
        waiting = asyncio.create_task(array.wait(0, 0, timeout=20))
        await asyncio.sleep(0)
        array.notify(0)
        await think(0.02)
        assert not waiting.done()
        change(array, 1)
        assert await waiting == 1

    asyncio.run(wait())


def test_a_cancelled_one_is_gone_at_once_and_the_others_wait_on(array: SharedArray[int]) -> None:
    async def wait() -> None:
        loop = asyncio.get_running_loop()
        waiting, cancelled = (asyncio.create_task(array.wait(0, 0, timeout=20)) for _ in "ab")
        await asyncio.sleep(0)
        began = loop.time()
        cancelled.cancel()
        await asyncio.wait([cancelled])
        assert cancelled.cancelled()
        assert loop.time() - began < 10  # of 20
        change(array, 2)
        assert await waiting == 2

    asyncio.run(wait())


def test_two_event_loops_of_one_process_wait_for_the_same(array: SharedArray[int]) -> None:
    values: list[int] = []
    inside = threading.Barrier(3)

    async def wait() -> None:
        waiting = asyncio.create_task(array.wait(0, 0, timeout=20))
        await asyncio.sleep(0)
        inside.wait(20)
        values.append(await waiting)

    threads = [threading.Thread(target=asyncio.run, args=(wait(),)) for _ in "ab"]
    for each in threads:
        each.start()
    inside.wait(20)
    change(array, 6)
    for each in threads:
        each.join()
    assert values == [6, 6]


def test_a_child_that_is_forked_while_its_parent_waits_waits_for_itself(
    array: SharedArray[int],
) -> None:
    async def wait() -> None:
        waiting = asyncio.create_task(array.wait(0, 0, timeout=20))
        await asyncio.sleep(0)

        reading, writing = os.pipe()

        def child() -> None:
            async def wait_too() -> int:
                there = asyncio.create_task(array.wait(0, 0, timeout=20))
                await asyncio.sleep(0)
                os.write(writing, b"!")
                return await there

            with ThreadPoolExecutor(1) as thread:  # the main one has its parent's loop
                assert thread.submit(asyncio.run, wait_too()).result() == 1

        pid = fork(child)
        assert await asyncio.to_thread(os.read, reading, 1) == b"!"
        change(array, 1)
        assert await waiting == 1
        assert exit_codes(pid) == [0]
        close_all([reading, writing])

    asyncio.run(wait())


def test_a_loop_that_was_closed_while_it_waited_disturbs_nobody(array: SharedArray[int]) -> None:
    loop = asyncio.new_event_loop()
    forgotten = loop.create_task(array.wait(0, 0))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()

    async def wait() -> int:
        waiting = asyncio.create_task(array.wait(0, 0, timeout=20))
        await asyncio.sleep(0)
        change(array, 5)
        return await waiting

    assert asyncio.run(wait()) == 5
    forgotten.get_coro().close()
    forgotten._log_destroy_pending = False  # type: ignore[attr-defined]


def test_nobody_is_missed_who_changes_while_another_goes_to_sleep(
    array: SharedArray[int],
) -> None:
    """Two processes take turns, each of which waits for the other's number."""
    turns = 300

    async def play(mine: int) -> None:
        for turn in range(mine, turns, 2):
            while (seen := array.load(0)) != turn:
                await array.wait(0, seen, timeout=20)
            change(array, turn + 1)

    pid = fork(lambda: asyncio.run(play(1)))
    asyncio.run(play(0))
    assert exit_codes(pid) == [0]
    assert array[0] == turns


def test_ringing_touches_no_number() -> None:
    array = SharedArray("odd", "b", 3)
    array[:] = [1, 2, 3]
    segment.attach("", "odd", 3).bell._rouse()
    assert array[:] == [1, 2, 3]


@needs_futex
def test_one_that_cannot_be_looked_at_by_the_thread_looks_itself_and_the_others_wait_on() -> None:
    array = SharedArray("number", "q", 1)
    bell = segment.attach("", "number", 8).bell
    seen: list[str] = []

    def look() -> bool:
        seen.append(threading.current_thread().name)
        if seen[-1] != "MainThread":
            raise OSError("there is no descriptor free")
        return len(seen) > 2  # before it slept, twice

    async def wait() -> None:
        async with asyncio.timeout(20):
            other = asyncio.create_task(array.wait(0, 0))
            await bell.wait(look)
            change(array, 5)
            assert await other == 5

    asyncio.run(wait())
    assert seen == ["MainThread", "MainThread", "shared memory", "MainThread"]


@needs_futex
def test_a_thread_that_fails_is_replaced_while_somebody_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    array = SharedArray("number", "q", 1)
    assert array[0] == 0
    waits = iter([OSError("the kernel does not want to")])
    failures: list[object] = []
    wait_really = futex.wait

    def wait_badly(address: int, value: int) -> None:
        for failure in waits:
            raise failure
        wait_really(address, value)

    monkeypatch.setattr(futex, "wait", wait_badly)
    monkeypatch.setattr(threading, "excepthook", lambda args: failures.append(args.exc_type))

    async def wait() -> None:
        waiting = asyncio.create_task(array.wait(0, 0, timeout=20))
        while not failures:
            await think(0.001)
        change(array, 5)
        assert await waiting == 5

    asyncio.run(wait())
    assert failures == [OSError]
