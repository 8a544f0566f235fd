"""Brokers that are not there yet, that take less, or refuse."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.bus.networks import BrokerNetwork
from tests.bus.test_engines import Meeting, events, meet
from tests.support import brokers
from tests.support.brokers import Server

from prefork import log
from prefork.bus.client import Bus
from prefork.bus.engine import REQUESTS, Identity
from prefork.bus.engines.brokered import Brokered, Hear
from prefork.bus.envelope import Frame
from prefork.errors import BusError

CHANNEL = REQUESTS + b"load"
SECRET = "s3cret"


@pytest.fixture(
    params=[
        pytest.param("redis", marks=brokers.needs_redis),
        pytest.param("nats", marks=brokers.needs_nats),
    ]
)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """One that does not run yet, with a password."""
    if request.param == "redis":
        made = brokers.redis("--requirepass", SECRET)
        made.url = made.url.replace("//", f"//:{SECRET}@")
    else:
        lines = f'authorization: {{user: u, password: "{SECRET}"}}\n'
        made = brokers.nats(tmp_path, lines)
        made.url = made.url.replace("//", f"//u:{SECRET}@")
    yield made
    made.stop()


def test_a_broker_that_comes_late_is_waited_for_and_its_password_is_never_told(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario(meeting: Meeting) -> None:
        one, two = meeting.join("one"), meeting.join("two")
        heard = asyncio.get_running_loop().create_future()
        subscription = two.subscribe("a", heard.set_result)
        tries = one.publish("a", "nobody there"), subscription.begin()
        for refused in await asyncio.gather(*tries, return_exceptions=True):
            assert isinstance(refused, BusError)
            assert "has not taken it within 5 s: " in str(refused)
            assert SECRET not in str(refused)
        server.start()
        await subscription
        await two.subscribe("b")
        await one.publish("a", "hello")
        assert await heard == "hello"

    meet(BrokerNetwork(server), scenario)
    told = events(capfd)
    assert {each["event"] for each in told} == {"bus_unreachable", "bus_reached"}
    assert SECRET not in json.dumps(told)


def test_a_wrong_password_is_told_and_not_repeated(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario(meeting: Meeting) -> None:
        with pytest.raises(BusError, match=r"(?i)auth|invalid username-password") as refused:
            await meeting.join("one").publish("a", "nobody there")
        assert "wr0ng" not in str(refused.value)

    server.start()
    server.url = server.url.replace(SECRET, "wr0ng")
    meet(BrokerNetwork(server), scenario)
    assert "wr0ng" not in capfd.readouterr().err


@brokers.needs_nats
def test_what_is_larger_than_the_broker_takes_is_refused_at_once(tmp_path: Path) -> None:
    async def scenario(meeting: Meeting) -> None:
        one = meeting.join("one")
        await one.publish("a", "small")
        with pytest.raises(ValueError, match="at most 4096 bytes"):
            await one.publish("a", bytes(4096))

    with brokers.nats(tmp_path, "max_payload: 4096\n") as server:
        meet(BrokerNetwork(server), scenario)


class Scripted:
    """A broker as the test has it; it counts what it is asked."""

    shown = "scripted://"
    most = 1 << 20

    def __init__(self) -> None:
        self.connects: list[float] = []  # when
        self.subscribed: list[int] = []  # channels at a time
        self.fails: BaseException | None = None  # how connecting does, once
        self.refuses = False  # to publish
        self.is_lost = asyncio.Event()
        self.is_up = asyncio.Event()  # again, once it was cleared

    async def connect(self, _: Hear) -> None:
        self.connects.append(asyncio.get_running_loop().time())
        self.is_lost = asyncio.Event()
        if self.fails is not None:
            error, self.fails = self.fails, None
            raise error

    async def publish(self, _: list[tuple[bytes, bytes]]) -> None:
        if self.refuses:
            raise BusError("no permission")

    async def subscribe(self, channels: Sequence[bytes]) -> None:
        self.subscribed.append(len(channels))

    async def unsubscribe(self, _: bytes) -> None:
        self.subscribed.append(-1)

    async def lost(self) -> None:
        self.is_up.set()
        await self.is_lost.wait()

    async def close(self) -> None:
        return


class Deaf:
    def deliver(self, frame: Frame) -> None: ...
    def gone(self, name: str) -> None: ...
    def gap(self, reason: str) -> None: ...


def carried(scenario: Callable[[Brokered, Scripted], Awaitable[None]]) -> None:
    async def run() -> None:
        scripted = Scripted()
        engine = Brokered(Identity("one"), Deaf(), scripted)
        async with asyncio.timeout(20):
            await scenario(engine, scripted)
        scripted.refuses = False
        await engine.close()

    log.configure("info", "json")
    asyncio.run(run())


def test_a_broker_that_refuses_what_we_publish_is_tried_ever_later() -> None:
    async def scenario(engine: Brokered, it: Scripted) -> None:
        it.refuses = True
        with pytest.raises(BusError, match="not taken it within 5 s: no permission"):
            await engine.publish(CHANNEL, b"x")
        waits = [after - before for before, after in pairwise(it.connects)]
        assert len(waits) < 7
        assert all(wait >= 0.1 * 2**turn for turn, wait in enumerate(waits))

    carried(scenario)


def test_many_subscriptions_are_made_again_in_a_few_steps_and_only_what_is_wanted() -> None:
    async def scenario(engine: Brokered, it: Scripted) -> None:
        for number in range(2500):
            await engine.subscribe(b"%d" % number)
        await it.is_up.wait()
        it.subscribed.clear()
        it.is_up.clear()
        it.is_lost.set()
        await it.is_up.wait()
        assert it.subscribed == [1000, 1000, 500]

    carried(scenario)


def test_whatever_a_library_raises_is_told_and_it_is_tried_again(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async def scenario(engine: Brokered, it: Scripted) -> None:
        it.fails = TypeError("unexpected keyword")
        await engine.publish(CHANNEL, b"x")
        assert len(it.connects) == 2

    carried(scenario)
    told = [(each["event"], each.get("reason")) for each in events(capfd)]
    assert told == [("bus_unreachable", "unexpected keyword"), ("bus_reached", None)]


@brokers.needs_redis
def test_the_database_of_a_redis_separates_who_uses_another() -> None:
    async def scenario(meeting: Meeting) -> None:
        one, same = meeting.join("one"), meeting.join("same")
        meeting.network = other_database
        other, another = meeting.join("other"), meeting.join("another")
        async with same.subscribe("a") as mine, another.subscribe("a") as theirs:
            await one.publish("a", "for mine")
            await other.publish("a", "for theirs")
            assert [await anext(mine), await anext(theirs)] == ["for mine", "for theirs"]

    with brokers.redis() as server:
        default = BrokerNetwork(server)
        other_server = copy(server)
        other_server.url += "/1"
        other_database = BrokerNetwork(other_server)
        meet(default, scenario)


def test_many_subscriptions_are_there_again_after_the_broker_was(server: Server) -> None:
    topics = [f"room {number}" for number in range(1500)]
    told = (topics[0], topics[999], topics[1000], topics[-1])

    async def scenario(meeting: Meeting) -> None:
        one, two = meeting.join("one"), meeting.join("two")
        async with asyncio.TaskGroup() as group:
            subscriptions = {each: two.subscribe(each) for each in topics}
            for each in subscriptions.values():
                group.create_task(each.begin())
        meeting.network.restart()
        async with asyncio.TaskGroup() as group:
            speaking = [group.create_task(speak(one, topic)) for topic in told]
            for topic in told:
                assert await anext(subscriptions[topic]) == topic
            for speaker in speaking:
                speaker.cancel()

    async def speak(one: Bus, topic: str) -> None:
        while True:
            await one.publish(topic, topic)

    server.start()
    meet(BrokerNetwork(server), scenario)


@brokers.needs_nats
def test_a_mark_that_could_not_be_sent_is_not_the_first_of_the_next_connection(
    tmp_path: Path,
) -> None:
    from prefork.bus.engines.nats import Nats  # noqa: PLC0415 - an extra that may be missing

    async def scenario(url: str) -> None:
        it = Nats(url)
        await it.connect(print)
        assert it._client is not None
        await it._client.close()
        with pytest.raises(BusError):
            await it.publish([])
        await it.connect(print)
        async with asyncio.timeout(1):
            await it.publish([(CHANNEL, b"x")])
        await it.close()

    with brokers.nats(tmp_path) as running:
        asyncio.run(scenario(running.url))
