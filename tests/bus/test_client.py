"""A member of the bus, whatever carries it: what it drops, and what it does for its code."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from prefork import log
from prefork.bus import client, engine, inquiry
from prefork.bus.client import Bus
from prefork.bus.engine import Engine, Identity, Receiver
from prefork.bus.envelope import Frame, Kind
from prefork.errors import BusError
from prefork.wire import post


class Recorder:
    """An engine that keeps what it is given; *refuses*: it takes nothing."""

    def __init__(self, identity: Identity, receiver: Receiver) -> None:
        self.identity = identity
        self.receiver = receiver
        self.refuses = False
        self.most = 1000  # bytes of a message
        self.asking = asyncio.Event()  # it is known who was asked
        self.asking.set()
        self.said: list[tuple[str, bytes]] = []

    async def subscribe(self, channel: bytes) -> None:
        self._take("subscribe", channel)

    async def respond(self, channel: bytes) -> None:
        await self.subscribe(channel)

    def unsubscribe(self, channel: bytes) -> None:
        self._take("unsubscribe", channel)

    async def publish(self, channel: bytes, payload: bytes) -> None:
        if len(payload) > self.most:
            raise ValueError(f"at most {self.most} bytes")
        self._take(f"publish {payload!r}", channel)

    async def ask(self, channel: bytes, payload: bytes) -> list[str]:
        await self.asking.wait()
        self._take(f"ask {payload!r}", channel)
        return []

    async def close(self) -> None:
        self.said.append(("close", b""))

    def _take(self, verb: str, channel: bytes) -> None:
        if self.refuses and verb != "unsubscribe":
            raise BusError("nobody there")
        self.said.append((verb, channel))


def alone(scenario: Callable[[Bus, Recorder], Awaitable[None]]) -> None:
    async def run() -> None:
        made: list[Recorder] = []
        reports: list[tuple[str, BaseException]] = []

        def make(identity: Identity, receiver: Receiver) -> Engine:
            made.append(Recorder(identity, receiver))
            return made[0]

        await scenario(Bus("shop/1", make, lambda *said: reports.append(said)), made[0])

    asyncio.run(run())


def frame(sender: int, number: int, payload: bytes = b"\x01", topic: bytes = b"a") -> Frame:
    return Frame(Kind.PUBLISH, sender, number, engine.MESSAGES + topic, payload)


def test_what_is_said_twice_is_heard_once() -> None:
    async def scenario(bus: Bus, _: Recorder) -> None:
        async with bus.subscribe("a") as subscription:
            for sender, number in ((7, 1), (7, 2), (7, 2), (7, 1), (8, 1), (7, 3)):
                bus.deliver(frame(sender, number, post.encode([sender, number])))
            await subscription.end()
            heard = [message async for message in subscription]
            assert heard == [[7, 1], [7, 2], [8, 1], [7, 3]]

    alone(scenario)


def test_only_so_many_senders_are_remembered() -> None:
    async def scenario(bus: Bus, _: Recorder) -> None:
        for sender in range(1, 3 * client.MOST_SEEN):
            bus.deliver(frame(sender, 1))
        assert len(bus._seen) + len(bus._seen_before) < 2 * client.MOST_SEEN

    alone(scenario)


def test_the_quiet_are_forgotten_before_who_was_first_and_speaks_still() -> None:
    async def scenario(bus: Bus, _: Recorder) -> None:
        async with bus.subscribe("a") as subscription:
            busy, others = 1, range(2, 10)
            for other in others:
                bus.deliver(frame(busy, other))
                bus.deliver(frame(other, 1, topic=b"b"))
                bus.deliver(frame(busy, other))  # said again, as to a new hub
            await subscription.end()
            assert len([message async for message in subscription]) == len(others)

    patched = pytest.MonkeyPatch()
    with patched.context() as patch:
        patch.setattr(client, "MOST_SEEN", 4)
        alone(scenario)


def test_a_quiet_one_is_forgotten_after_it_was_asked_for() -> None:
    async def scenario(bus: Bus, _: Recorder) -> None:
        async with bus.subscribe("a") as subscription:
            for sender in (*range(1, 9), 1):
                bus.deliver(frame(sender, 1))
            await subscription.end()
            assert len([message async for message in subscription]) == 8

    patched = pytest.MonkeyPatch()
    with patched.context() as patch:
        patch.setattr(client, "MOST_SEEN", 4)
        alone(scenario)


def test_the_first_subscriber_of_a_topic_subscribes_and_the_last_unsubscribes() -> None:
    async def scenario(bus: Bus, it: Recorder) -> None:
        one, two = await bus.subscribe("a"), await bus.subscribe("a")
        it.said.clear()
        await one.end()
        await one.end()
        assert it.said == []
        await two.end()
        assert it.said == [("unsubscribe", b"prefork:a")]

    alone(scenario)


def test_who_could_not_subscribe_is_told_and_leaves_nothing() -> None:
    async def scenario(bus: Bus, it: Recorder) -> None:
        it.refuses = True
        with pytest.raises(BusError, match="nobody there"):
            async with bus.subscribe("a"):
                pass
        it.refuses = False
        assert (bus._subscriptions, it.said) == ({}, [("unsubscribe", b"prefork:a")])
        async with bus.subscribe("a"):
            assert it.said[1:] == [("subscribe", b"prefork:a")]

    alone(scenario)


def test_a_callback_waits_for_a_broker_that_is_not_there_yet() -> None:
    async def scenario(bus: Bus, it: Recorder) -> None:
        it.refuses = True
        heard = asyncio.get_running_loop().create_future()
        subscription = bus.subscribe("a", heard.set_result)
        await asyncio.sleep(0)
        bus.deliver(frame(7, 1, post.encode("hello")))
        assert await heard == "hello"
        it.refuses = False
        await subscription.end()

    alone(scenario)


def test_garbage_is_told_and_what_follows_arrives(capfd: pytest.CaptureFixture[str]) -> None:
    async def scenario(bus: Bus, it: Recorder) -> None:
        await bus.respond("a", lambda question: question)
        async with bus.subscribe("a") as subscription:
            bus.deliver(frame(7, 1, b"\xc1"))
            bus.deliver(frame(7, 2, post.encode("hello")))
            assert await anext(subscription) == "hello"
        answers = engine.ANSWERS + b"%016x" % it.identity.sender
        for number, channel in enumerate((engine.REQUESTS + b"a", answers)):
            bus.deliver(Frame(Kind.PUBLISH, 8, number + 1, channel, b"\xc1"))

    log.configure("info", "json")
    alone(scenario)
    told = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [each["event"] for each in told] == ["bus_garbage"] * 2  # a complaint comes once
    assert "not a value" in told[0]["reason"]


def test_an_answer_that_comes_too_late_is_nobodys() -> None:
    async def scenario(bus: Bus, it: Recorder) -> None:
        await bus.request_all("a", "?", 1)
        late = inquiry.answer(1, "shop/2", post.encode("late"))
        channel = engine.ANSWERS + b"%016x" % it.identity.sender
        bus.deliver(Frame(Kind.PUBLISH, 7, 1, channel, late))

    alone(scenario)


def test_where_nobody_was_asked_in_time_that_is_an_error_and_no_empty_reply() -> None:
    async def scenario(bus: Bus, it: Recorder) -> None:
        it.asking.clear()
        with pytest.raises(BusError, match=r"nobody could be asked within 0\.01 s"):
            await bus.request_all("a", "?", 0.01)
        assert bus._inquiries == {}

    alone(scenario)


def test_answers_are_subscribed_to_once() -> None:
    async def scenario(bus: Bus, it: Recorder) -> None:
        for _ in range(3):
            await bus.request_all("a", "?", 1)
        assert [verb for verb, _ in it.said if verb == "subscribe"] == ["subscribe"]

    alone(scenario)


def test_gaps_that_come_one_after_another_are_told_once(capfd: pytest.CaptureFixture[str]) -> None:
    async def scenario(bus: Bus, _: Recorder) -> None:
        for number in range(100):
            bus.gap(f"{number} messages were dropped")

    log.configure("info", "json")
    alone(scenario)
    [told] = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert (told["event"], told["name"]) == ("bus_gap", "shop/1")


def test_a_bus_that_is_closed_takes_nothing_back_from_the_engine() -> None:
    async def scenario(bus: Bus, it: Recorder) -> None:
        subscription = await bus.subscribe("a")
        await bus.close()
        await subscription.end()
        assert it.said == [("subscribe", b"prefork:a"), ("close", b"")]

    alone(scenario)
