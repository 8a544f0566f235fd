"""A chat over four workers: what was published reaches everybody else once, in order."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.support import brokers
from tests.support.program import ROOT, Program
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

SENT = "sent: "
BROKERS = [
    pytest.param("redis", marks=brokers.needs_redis),
    pytest.param("nats", marks=brokers.needs_nats),
]


@dataclass
class Chatter:
    """One client: what it said that was published, and what it heard of others."""

    number: int
    connection: ClientConnection
    published: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    is_cut: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        """Hear until the connection ends."""
        try:
            async for message in self.connection:
                text = str(message)
                if text.startswith(SENT):
                    self.published.append(text.removeprefix(SENT))
                else:
                    self.heard.append(text)
                self.news.set()
        except ConnectionClosed:
            pass
        self.is_cut = True
        self.news.set()

    async def say(self, count: int) -> None:
        """Say so many messages, each when the one before is published, or nobody hears us."""
        for number in range(count):
            try:
                await self.connection.send(f"{self.number} {number}")
            except ConnectionClosed:
                return
            await self.until(number + 1)
            if self.is_cut:
                return

    async def until(self, published: int) -> None:
        while len(self.published) < published and not self.is_cut:
            self.news.clear()
            await self.news.wait()

    async def until_heard(self, wanted: set[str]) -> None:
        while not wanted <= set(self.heard) and not self.is_cut:
            self.news.clear()
            await self.news.wait()


@pytest.fixture
def programs(
    request: pytest.FixtureRequest, serve: Serve, tmp_path: Path
) -> Iterator[list[Program]]:
    """Four workers: of one program with a hub of its own, or of two that a broker joins."""
    options = ["--app-dir", str(ROOT / "examples")]
    with ExitStack() as running:
        if request.param == "local":
            yield [serve(*options, "--workers", "4", app="chat:app")]
            return
        place = tmp_path / "broker"
        place.mkdir()
        server = brokers.redis() if request.param == "redis" else brokers.nats(place)
        running.enter_context(server)
        options += ["--workers", "2", "--bus", server.url]
        yield [serve(*options, app="chat:app") for _ in range(2)]


async def hold(programs: list[Program], clients: int, messages: int, victim: int | None) -> None:
    """Have all chat at once; *victim*: a worker that is killed when half is said."""
    ports = [program.port for program in programs]
    chatters = [
        Chatter(number, await connect(f"ws://127.0.0.1:{ports[number % len(ports)]}/chat"))
        for number in range(clients)
    ]
    listening = [asyncio.create_task(each.listen()) for each in chatters]
    async with asyncio.TaskGroup() as group:
        for each in chatters:
            group.create_task(each.say(messages))
        if victim is not None:
            await chatters[0].until(messages // 2)
            os.kill(victim, signal.SIGKILL)
    published = {each.number: each.published for each in chatters}
    for each in chatters:
        others = {text for who, said in published.items() if who != each.number for text in said}
        await each.until_heard(others)
        if not each.is_cut:
            judge(each, others)
    cut = [each for each in chatters if each.is_cut]
    assert bool(cut) == (victim is not None)
    assert len(cut) < clients / 2
    for each in chatters:
        await each.connection.close()
    await asyncio.gather(*listening)


def judge(chatter: Chatter, others: set[str]) -> None:
    """Each of the others' messages came once, in the order in which its sender said it."""
    times = Counter(chatter.heard)
    assert others <= set(times)
    assert set(times.values()) == {1}
    last: dict[str, int] = {}
    for text in chatter.heard:
        who, number = text.split()
        assert int(number) > last.get(who, -1), f"{chatter.number} heard {chatter.heard}"
        last[who] = int(number)


async def within(seconds: float, programs: list[Program], *said: int, kills: bool) -> None:
    clients, messages = said
    victim = programs[0].workers(4 // len(programs))[-1] if kills else None
    async with asyncio.timeout(seconds):
        await hold(programs, clients, messages, victim)


@pytest.mark.parametrize("programs", ["local", *BROKERS], indirect=True)
def test_what_was_published_reaches_every_other_client_once_and_in_order(
    programs: list[Program],
) -> None:
    asyncio.run(within(30, programs, 20, 10, kills=False))


@pytest.mark.parametrize("programs", ["local", *BROKERS], indirect=True)
def test_when_a_worker_is_killed_the_clients_of_the_others_miss_nothing(
    programs: list[Program],
) -> None:
    asyncio.run(within(30, programs, 20, 10, kills=True))


@pytest.mark.slow
@pytest.mark.parametrize("programs", ["local", *BROKERS], indirect=True)
def test_a_hundred_clients_and_a_thousand_messages_with_a_worker_killed(
    programs: list[Program],
) -> None:
    asyncio.run(within(120, programs, 100, 10, kills=True))
