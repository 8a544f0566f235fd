"""One subscriber: when it has begun, what it keeps, and what its callback may do."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from prefork.bus import subscription
from prefork.bus.subscription import MOST_BYTES, Subscription
from prefork.errors import BusError
from prefork.wire import post


class Topic:
    """One whose beginnings come to an end when the test says so."""

    def __init__(self) -> None:
        self.beginnings: list[asyncio.Future[None]] = []
        self.ended = 0
        self.reports: list[BaseException] = []

    def subscribe(self, callback: Callable[[Any], Any] | None = None) -> Subscription:
        made = Subscription("a", self._begin, self._end)
        if callback is not None:
            made.call(callback, lambda _, error: self.reports.append(error))
        return made

    def _begin(self, _: Subscription) -> Coroutine[Any, Any, None]:
        self.beginnings.append(asyncio.get_running_loop().create_future())
        return self._wait(self.beginnings[-1])

    async def _wait(self, beginning: "asyncio.Future[None]") -> None:
        await beginning

    def _end(self, _: Subscription) -> None:
        self.ended += 1


def run(scenario: Callable[[Topic], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(20):
            await scenario(Topic())

    asyncio.run(within())


async def turns(count: int = 5) -> None:
    """Let others have the loop."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_whoever_awaits_it_waits_for_the_one_beginning_and_hears_why_it_failed() -> None:
    async def scenario(topic: Topic) -> None:
        it = topic.subscribe(print)
        await turns()  # the callback's own task waits by now
        waiting = [asyncio.ensure_future(it.begin()) for _ in range(2)]
        await turns()
        assert [each.done() for each in waiting] == [False, False]
        [beginning] = topic.beginnings
        beginning.set_exception(BusError("nobody there"))
        for each in waiting:
            with pytest.raises(BusError, match="nobody there"):
                await each
        again = asyncio.ensure_future(it.begin())  # it is still subscribed, and may try again
        await turns()
        topic.beginnings[1].set_result(None)
        assert await again is it

    run(scenario)


def test_one_that_waits_no_longer_does_not_cancel_the_beginning_of_a_callback() -> None:
    async def scenario(topic: Topic) -> None:
        it = topic.subscribe(print)
        impatient, patient = (asyncio.ensure_future(it.begin()) for _ in range(2))
        await turns()
        impatient.cancel()
        await turns()
        topic.beginnings[0].set_result(None)
        assert await patient is it
        assert (len(topic.beginnings), topic.ended) == (1, 0)

    run(scenario)


def test_one_that_has_ended_can_not_begin() -> None:
    async def scenario(topic: Topic) -> None:
        it = topic.subscribe()
        waiting = asyncio.ensure_future(it.begin())
        await turns()
        await it.end()
        for each in (waiting, it.begin()):
            with pytest.raises(BusError, match="'a' has ended"):
                await each
        assert [message async for message in it] == []
        assert len(topic.beginnings) == 1

    run(scenario)


def test_what_a_callback_awaits_may_be_cancelled_and_the_next_message_comes() -> None:
    async def scenario(topic: Topic) -> None:
        heard: list[int] = []
        last = asyncio.Event()

        async def hear(message: int) -> None:
            heard.append(message)
            if message == 3:
                last.set()
            cancelled = asyncio.get_running_loop().create_future()
            cancelled.cancel()
            await cancelled

        it = topic.subscribe(hear)
        for number in (1, 2, 3):
            it.put(post.encode(number))
        await turns()
        topic.beginnings[0].set_result(None)
        await last.wait()
        await turns()
        assert heard == [1, 2, 3]
        assert [type(error) for error in topic.reports] == [asyncio.CancelledError] * 3

    run(scenario)


def test_what_is_kept_is_bounded_in_bytes_but_for_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    megabyte = bytes(1 << 20)

    async def scenario(topic: Topic) -> None:
        it = topic.subscribe()
        for _ in range(100):
            it.put(megabyte)
        kept = MOST_BYTES // len(megabyte)
        assert (it.missed, len(it._kept)) == (100 - kept, kept)
        monkeypatch.setattr(subscription, "MOST_BYTES", 1000)
        it.put(post.encode("last"))
        await it.end()
        assert [message async for message in it] == ["last"]

    run(scenario)


def test_what_was_taken_counts_no_more() -> None:
    megabyte = post.encode(bytes(1 << 20))

    async def scenario(topic: Topic) -> None:
        it = topic.subscribe()
        beginning = asyncio.ensure_future(it.begin())
        await turns()
        topic.beginnings[0].set_result(None)
        await beginning
        for _ in range(100):
            it.put(megabyte)
            await anext(it)
        assert it.missed == 0

    run(scenario)


def test_a_callback_that_runs_when_it_is_ended_goes_on_and_none_is_called_after_it() -> None:
    async def scenario(topic: Topic) -> None:
        heard: list[str] = []
        went_on = asyncio.Event()

        async def hear(message: str) -> None:
            heard.append(message)
            await it.end()
            await turns()
            went_on.set()

        it = topic.subscribe(hear)
        it.put(post.encode("one"))
        it.put(post.encode("two"))
        await turns()
        topic.beginnings[0].set_result(None)
        await went_on.wait()
        await turns()
        assert (heard, topic.reports, topic.ended) == (["one"], [], 1)

    run(scenario)
