"""Brokers that are not there yet, that take less, and members that hang."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.bus.networks import BrokerNetwork
from tests.bus.test_engines import Meeting, events, meet
from tests.support import brokers
from tests.support.brokers import Server

from prefork.bus.attendance import Attendance
from prefork.bus.engine import NOTICES, REQUESTS
from prefork.bus.envelope import Frame, Kind
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
        with pytest.raises(BusError, match="has not taken it within 5 s: ") as refused:
            await one.publish("a", "nobody there")
        assert SECRET not in str(refused.value)
        server.start()
        await subscription
        await two.subscribe("b")
        await one.publish("a", "hello")
        assert await heard == "hello"

    meet(BrokerNetwork(server), scenario)
    told = events(capfd)
    assert {each["event"] for each in told} == {"bus_unreachable"}
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


class Wire:
    """Carries notices among attendances at once, but to those that hang."""

    def __init__(self) -> None:
        self.present: list[Attendance] = []
        self.hanging: list[Attendance] = []

    async def subscribe(self, channel: bytes) -> None:
        assert channel == NOTICES + b"load"

    async def publish(self, channel: bytes, payload: bytes) -> None:
        for each in self.present:
            if each not in self.hanging:
                each.heed(Frame(Kind.PUBLISH, 1, 1, channel, payload))

    def join(self, name: str) -> Attendance:
        self.present.append(Attendance(name, lambda _: None, self))
        return self.present[-1]


def test_who_hangs_is_named_by_the_others_to_whoever_asks_later() -> None:
    async def scenario() -> None:
        wire = Wire()
        one, two = wire.join("one"), wire.join("two")
        await one.respond(CHANNEL)
        await two.respond(CHANNEL)
        wire.hanging.append(two)
        late = wire.join("late")
        await late.call(CHANNEL)
        assert sorted(late.others(CHANNEL)) == ["one", "two"]
        await one.leave()
        assert late.others(CHANNEL) == ["two"]

    asyncio.run(scenario())
