"""What waits to be acknowledged: for how long, and what becomes of it at the end."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from prefork.bus import outbox
from prefork.bus.outbox import MOST_UNDER_WAY, Outbox
from prefork.errors import BusError


def run(scenario: Callable[[Outbox], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(20):
            await scenario(Outbox(lambda: "not taken"))

    asyncio.run(within())


def test_once_it_is_closed_nothing_is_taken_and_who_waited_for_room_is_told() -> None:
    async def scenario(it: Outbox) -> None:
        async def publish() -> None:
            await it.room()
            it.put(2, b"a", b"late")

        full = it.put(1, b"a", bytes(MOST_UNDER_WAY + 1))
        waiting = asyncio.ensure_future(publish())
        await asyncio.sleep(0)
        it.close("the worker ends")
        for done in (full.done, waiting, asyncio.ensure_future(publish())):
            with pytest.raises(BusError, match="the worker ends"):
                await done

    run(scenario)


def test_room_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(it: Outbox) -> None:
        it.put(1, b"a", bytes(MOST_UNDER_WAY + 1))
        monkeypatch.setattr(outbox, "PATIENCE", 0.01)
        with pytest.raises(BusError, match="not taken"):
            await it.room()
        it.close("the test ends")

    run(scenario)
