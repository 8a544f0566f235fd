"""A line to the hub: what is said again when that has died, and how much may be under way."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator

import pytest
from tests.bus.networks import LocalNetwork
from tests.bus.test_brokered import Deaf
from tests.bus.test_engines import Meeting, meet, taken

from prefork.bus import envelope
from prefork.bus.engine import Identity
from prefork.bus.engines import local
from prefork.bus.engines.local import Local, Take
from prefork.bus.envelope import Kind
from prefork.errors import BusError

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


def test_who_asks_waits_while_too_much_is_under_way(network: LocalNetwork) -> None:
    async def scenario(meeting: Meeting) -> None:
        one = meeting.join("one")
        await one.request_all("a", "?", 5)
        os.kill(network.pid, signal.SIGSTOP)
        asking = [asyncio.create_task(one.request_all("a", LARGE, 15)) for _ in range(5)]
        await asyncio.sleep(0)
        assert len(one._engine._outbox) == 3  # type: ignore[attr-defined]
        os.kill(network.pid, signal.SIGCONT)
        assert [answers.missing for answers in await asyncio.gather(*asking)] == [[]] * 5

    meet(network, scenario)


def test_more_topics_than_the_hub_takes_are_an_error_and_cost_nothing_else(
    network: LocalNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "MOST_CHANNELS", 2)

    async def scenario(meeting: Meeting) -> None:
        one, two = meeting.join("one"), meeting.join("two")
        async with one.subscribe("a") as subscription, one.subscribe("b"):
            with pytest.raises(BusError, match="at most 2 topics"):
                await one.subscribe("c")
            async with one.subscribe("a"):
                await two.publish("a", "hello")
                assert await taken(subscription, 1) == ["hello"]
        await one.subscribe("c")

    meet(network, scenario)


def test_who_unsubscribes_while_it_is_not_welcome_yet_has_unsubscribed() -> None:
    async def scenario() -> None:
        takers: list[Take] = []
        it = Local(Identity("one"), Deaf(), takers.append)
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.setblocking(False)
            subscribing = asyncio.ensure_future(it.subscribe(b"a"))
            await asyncio.sleep(0)
            takers[0](ours)
            subscribing.cancel()
            it.unsubscribe(b"a")
            theirs.send(envelope.encode(Kind.HELLO, 0, 0))
            loop, said = asyncio.get_running_loop(), []
            while Kind.UNSUBSCRIBE not in said:
                data = await loop.sock_recv(theirs, 10_000)
                said += [frame.kind for frame in envelope.frames(data)]
            assert said == [Kind.SUBSCRIBE, Kind.HELLO, Kind.UNSUBSCRIBE]
            await it.close()

    asyncio.run(asyncio.wait_for(scenario(), 20))
