"""A line to the hub: what is said again when that has died, and how much may be under way."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest
from tests.bus.networks import LocalNetwork
from tests.bus.test_engines import Meeting, meet, taken

LARGE = bytes(15 << 20)


@pytest.fixture
def network() -> Iterator[LocalNetwork]:
    running = LocalNetwork()
    yield running
    running.stop()


def test_what_a_hub_had_not_acknowledged_when_it_died_is_delivered_once_by_the_next(
    network: LocalNetwork,
) -> None:
    async def scenario(meeting: Meeting) -> None:
        one, two, three = (meeting.join(name) for name in ("one", "two", "three"))
        subscriptions = [await two.subscribe("a"), await three.subscribe("a")]
        await one.publish("a", -1)
        for each in subscriptions:  # what is acknowledged may still be on its way, and die with it
            assert await taken(each, 1) == [-1]
        os.kill(network.pid, signal.SIGSTOP)
        async with asyncio.TaskGroup() as group:
            for number in range(1000):
                group.create_task(one.publish("a", number))
            await asyncio.sleep(0)
            network.restart()
        await one.publish("a", "end")
        for each in subscriptions:
            assert await taken(each, 1001) == [*range(1000), "end"]

    meet(network, scenario)


def test_publishers_wait_while_too_much_is_under_way(network: LocalNetwork) -> None:
    async def scenario(meeting: Meeting) -> None:
        one, two = meeting.join("one"), meeting.join("two")
        subscription = await two.subscribe("b")
        os.kill(network.pid, signal.SIGSTOP)
        large = [asyncio.create_task(one.publish("a", LARGE)) for _ in range(3)]
        small = asyncio.create_task(one.publish("b", "small"))
        await asyncio.sleep(0)
        assert len(one._engine._outbox) == 3  # type: ignore[attr-defined]
        os.kill(network.pid, signal.SIGCONT)
        await asyncio.gather(*large, small)
        assert await taken(subscription, 1) == ["small"]

    meet(network, scenario)


def test_a_publisher_that_was_given_up_does_not_disturb_the_others(network: LocalNetwork) -> None:
    async def scenario(meeting: Meeting) -> None:
        one, two = meeting.join("one"), meeting.join("two")
        async with two.subscribe("a") as subscription:
            publishing = [asyncio.create_task(one.publish("a", number)) for number in range(3)]
            await asyncio.sleep(0)
            publishing[1].cancel()
            await asyncio.wait(publishing)
            assert [each.cancelled() for each in publishing] == [False, True, False]
            assert await taken(subscription, 3) == [0, 1, 2]

    meet(network, scenario)
