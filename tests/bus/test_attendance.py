"""Who is known to respond at a broker, to whoever asks, in whatever order."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from prefork.bus.attendance import Attendance
from prefork.bus.engine import NOTICES, REQUESTS
from prefork.bus.envelope import Frame, Kind
from prefork.errors import BusError

CHANNEL = REQUESTS + b"load"


class Wire:
    """Carries notices among attendances at once, but to those that hang."""

    def __init__(self) -> None:
        self.present: list[Attendance] = []
        self.hanging: list[Attendance] = []
        self.is_broken = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def subscribe(self, channel: bytes) -> None:
        assert channel == NOTICES + b"load"

    async def publish(self, channel: bytes, payload: bytes) -> None:
        if self.is_broken:
            raise BusError("nobody there")
        for each in self.present:
            if each not in self.hanging:
                each.heed(Frame(Kind.PUBLISH, 1, 1, channel, payload))

    def own(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        return task

    def join(self, name: str) -> Attendance:
        self.present.append(Attendance(name, lambda _: None, self))
        return self.present[-1]


async def known(asking: Attendance) -> list[str]:
    """Who is known once the roll is called."""
    await asking.call(CHANNEL)
    return sorted(asking.others(CHANNEL))


def test_who_hangs_is_named_by_the_others_to_whoever_asks_later() -> None:
    async def scenario() -> None:
        wire = Wire()
        one, two = wire.join("one"), wire.join("two")
        await one.respond(CHANNEL)
        await two.respond(CHANNEL)
        wire.hanging.append(two)
        late = wire.join("late")
        assert await known(late) == ["one", "two"]
        await one.leave()
        assert late.others(CHANNEL) == ["two"]

    asyncio.run(scenario())


def test_who_responds_before_it_asks_knows_the_others_too() -> None:
    async def scenario() -> None:
        wire = Wire()
        one, two = wire.join("one"), wire.join("two")
        await one.respond(CHANNEL)
        await two.respond(CHANNEL)
        assert await known(two) == ["one"]

    asyncio.run(scenario())


def test_who_asks_while_the_roll_is_called_waits_for_it_as_well() -> None:
    async def scenario() -> None:
        wire = Wire()
        await wire.join("one").respond(CHANNEL)
        two = wire.join("two")
        first, second = await asyncio.gather(known(two), known(two))
        assert first == second == ["one"]

    asyncio.run(scenario())


def test_a_roll_that_could_not_be_called_or_waited_for_is_called_again() -> None:
    async def scenario() -> None:
        wire = Wire()
        await wire.join("one").respond(CHANNEL)
        two = wire.join("two")
        wire.is_broken = True
        with pytest.raises(BusError, match="nobody there"):
            await known(two)
        wire.is_broken = False
        impatient = asyncio.ensure_future(known(two))
        await asyncio.sleep(0)
        impatient.cancel()
        assert await known(two) == ["one"]

    asyncio.run(scenario())


def test_what_was_known_before_notices_were_missed_is_asked_for_again() -> None:
    async def scenario() -> None:
        wire = Wire()
        two = wire.join("two")
        assert await known(two) == []
        wire.hanging.append(two)
        await wire.join("one").respond(CHANNEL)
        wire.hanging.clear()
        waiting = asyncio.ensure_future(known(two))
        await waiting
        assert waiting.result() == []
        two.forget()
        assert await known(two) == ["one"]

    asyncio.run(scenario())


def test_a_roll_that_is_called_when_notices_are_missed_is_not_relied_on() -> None:
    async def scenario() -> None:
        wire = Wire()
        one, two = wire.join("one"), wire.join("two")
        await one.respond(CHANNEL)
        wire.hanging.append(one)  # it hears no call
        asking = asyncio.ensure_future(known(two))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        wire.hanging.clear()
        two.forget()
        assert await asking == ["one"]

    asyncio.run(scenario())
