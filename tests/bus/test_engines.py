"""What the bus promises, by each engine with the real process behind it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.bus.networks import ENGINES, NETWORKS, Network

from prefork import log
from prefork.bus.client import Bus
from prefork.bus.subscription import MOST_KEPT, Subscription
from prefork.errors import BusError

PATIENCE = 20.0  # seconds
MEGABYTE = 1 << 20
Scenario = Callable[["Meeting"], Awaitable[None]]


class Meeting:
    """Members of one bus; they leave at the end."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.reports: list[tuple[str, BaseException]] = []
        self._members: list[Bus] = []

    def join(self, name: str) -> Bus:
        member = Bus(name, self.network.engine, lambda *said: self.reports.append(said))
        self._members.append(member)
        return member

    async def leave(self) -> None:
        for each in self._members:
            await each.close()


@pytest.fixture(params=ENGINES)
def network(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Network]:
    with NETWORKS[request.param](tmp_path) as running:
        yield running


def meet(network: Network, scenario: Scenario) -> None:
    """Run a scenario on an event loop of its own."""

    async def run() -> None:
        meeting = Meeting(network)
        try:
            async with asyncio.timeout(PATIENCE):
                await scenario(meeting)
        finally:
            await meeting.leave()

    log.configure("info", "json")
    asyncio.run(run())


async def taken(subscription: Subscription, count: int) -> list[Any]:
    return [await anext(subscription) for _ in range(count)]


def events(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capfd.readouterr().err.splitlines()]


# Publishing


def test_all_subscribers_but_the_sender_get_a_message(network: Network) -> None:
    async def scenario(meeting: Meeting) -> None:
        one, two, three = (meeting.join(name) for name in ("one", "two", "three"))
        first, second, third = [await each.subscribe("a") for each in (one, two, three)]
        async with three.subscribe("b") as other:
            message = {"text": "h\xe9llo", "bytes": b"\0\xff", "list": [1, 2.5, None, True]}
            await one.publish("a", message)
            await two.publish("b", "b")
            assert await taken(second, 1) == await taken(third, 1) == [message]
            assert await taken(other, 1) == ["b"]
            await three.publish("a", "last")
            assert await taken(first, 1) == ["last"]

    meet(network, scenario)


def test_two_subscribers_in_one_worker_get_a_copy_each(network: Network) -> None:
    async def scenario(meeting: Meeting) -> None:
        one, two = meeting.join("one"), meeting.join("two")
        async with two.subscribe("a") as first, two.subscribe("a") as second:
            await one.publish("a", [1])
            [message] = await taken(first, 1)
            message.append(2)
            assert await taken(second, 1) == [[1]]

    meet(network, scenario)


def test_the_messages_of_a_sender_come_in_its_order_and_once(network: Network) -> None:
    async def scenario(meeting: Meeting) -> None:
        senders = [meeting.join(f"sender {number}") for number in range(3)]
        receiver = meeting.join("receiver")
        async with receiver.subscribe("a") as subscription, asyncio.TaskGroup() as group:
            for who, sender in enumerate(senders):
                for number in range(500):
                    group.create_task(sender.publish("a", [who, number]))
            came = await taken(subscription, 1500)
        for who in range(3):
            assert [number for each, number in came if each == who] == list(range(500))

    meet(network, scenario)


def test_what_is_published_when_the_subscription_is_there_arrives(network: Network) -> None:
    async def scenario(meeting: Meeting) -> None:
        one, two = meeting.join("one"), meeting.join("two")
        for number in range(50):
            async with two.subscribe("a") as subscription:
                await one.publish("a", number)
                assert await taken(subscription, 1) == [number]

    meet(network, scenario)


def test_who_has_unsubscribed_gets_nothing_more(network: Network) -> None:
    async def scenario(meeting: Meeting) -> None:
        one, two = meeting.join("one"), meeting.join("two")
        subscription = await two.subscribe("a")
        async with two.subscribe("b") as other:
            await one.publish("a", 1)
            assert await taken(subscription, 1) == [1]
            await subscription.end()
            await one.publish("a", 2)
            await one.publish("b", 3)
            assert await taken(other, 1) == [3]
        assert [message async for message in subscription] == []

    meet(network, scenario)


def test_topics_are_exact_and_may_be_any_text(network: Network) -> None:
    topics = [
        "a",
        "a.b",
        "a.*",
        "a.>",
        "*",
        ">",
        " ",
        ".",
        "a b",
        "\r\n",
        "\0",
        "%2E",
        "\xe9" * 127,
    ]

    async def scenario(meeting: Meeting) -> None:
        one, two = meeting.join("one"), meeting.join("two")
        for topic in topics:
            async with two.subscribe(topic) as subscription:
                await one.publish(topic, topic)
                assert await taken(subscription, 1) == [topic]

    meet(network, scenario)


@pytest.mark.parametrize("topic", ["", "\xe9" * 128], ids=["empty", "256 bytes"])
def test_a_topic_that_is_none_is_refused_at_once(network: Network, topic: str) -> None:
    async def scenario(meeting: Meeting) -> None:
        one = meeting.join("one")
        with pytest.raises(ValueError, match="1 to 255 bytes"):
            await one.publish(topic, 1)
        with pytest.raises(ValueError, match="1 to 255 bytes"):
            one.subscribe(topic)

    meet(network, scenario)


def test_a_message_over_16_mib_is_refused_and_one_below_arrives(network: Network) -> None:
    async def scenario(meeting: Meeting) -> None:
        one, two = meeting.join("one"), meeting.join("two")
        async with two.subscribe("a") as subscription:
            with pytest.raises(ValueError, match="16777216 bytes"):
                await one.publish("a", bytes(16 * MEGABYTE))
            await one.publish("a", bytes(16 * MEGABYTE - 5))
            assert await taken(subscription, 1) == [bytes(16 * MEGABYTE - 5)]

    meet(network, scenario)


def test_what_cannot_be_encoded_is_refused_at_once(network: Network) -> None:
    async def scenario(meeting: Meeting) -> None:
        with pytest.raises(TypeError, match="object"):
            await meeting.join("one").publish("a", object())

    meet(network, scenario)


# Subscribers


def test_callbacks_get_messages_one_after_another_whatever_they_raise(network: Network) -> None:
    async def scenario(meeting: Meeting) -> None:
        one, two = meeting.join("one"), meeting.join("two")
        heard: list[Any] = []
        last = asyncio.Event()

        def plain(message: int) -> None:
            heard.append(("plain", message))
            raise LookupError(message)

        async def slow(message: int) -> None:
            await asyncio.sleep(0)
            heard.append(("slow", message))
            if message == 2:
                last.set()

        subscriptions = [await two.subscribe("a", plain), await two.subscribe("a", slow)]
        for number in range(3):
            await one.publish("a", number)
        await last.wait()
        for name in ("plain", "slow"):
            assert [number for who, number in heard if who == name] == [0, 1, 2]
        assert [(topic, str(error)) for topic, error in meeting.reports] == [
            ("a", "0"),
            ("a", "1"),
            ("a", "2"),
        ]
        for each in subscriptions:
            await each.end()

    meet(network, scenario)


def test_a_subscriber_that_takes_nothing_loses_the_oldest_and_the_log_names_its_topic(
    network: Network, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario(meeting: Meeting) -> None:
        one, two = meeting.join("one"), meeting.join("two")
        async with two.subscribe("a") as lazy, two.subscribe("b") as other:
            for start in range(0, MOST_KEPT + 100, 100):
                numbers = range(start, start + 100)
                await asyncio.gather(*(one.publish("a", number) for number in numbers))
            await one.publish("b", "end")
            assert await taken(other, 1) == ["end"]
            assert await taken(lazy, 1) == [100]
            assert lazy.missed == 100

    meet(network, scenario)
    [told] = [each for each in events(capfd) if each["event"] == "bus_subscriber_slow"]
    assert (told["topic"], told["missed"]) == ("a", 1)


# Asking all


def test_all_who_respond_are_asked_and_their_replies_come_by_name(network: Network) -> None:
    async def scenario(meeting: Meeting) -> None:
        one, two, three, four = (meeting.join(name) for name in ("one", "two", "three", "four"))
        await one.respond("load", lambda question: ("one", question))
        await two.respond("load", lambda question: ("two", question))

        async def three_says(question: str) -> tuple[str, str]:
            await asyncio.sleep(0)
            return "three", question

        await three.respond("load", three_says)
        await four.respond("other", lambda _: "four")
        answers = await one.request_all("load", "now?", 5)
        assert {tuple(reply) for reply in answers.replies.values()} == {
            ("two", "now?"),
            ("three", "now?"),
        }
        assert [name.rpartition("/")[2] for name in sorted(answers.replies)] == ["three", "two"]
        assert answers.missing == []

    meet(network, scenario)


def test_who_does_not_answer_in_time_or_raises_is_named_as_missing(network: Network) -> None:
    async def scenario(meeting: Meeting) -> None:
        one, two, three, four = (meeting.join(name) for name in ("one", "two", "three", "four"))
        await two.respond("load", lambda _: 2)
        await three.respond("load", lambda _: asyncio.get_running_loop().create_future())
        await four.respond("load", lambda _: 1 / 0)
        answers = await one.request_all("load", "now?", 1)
        assert list(answers.replies.values()) == [2]
        assert [name.rpartition("/")[2] for name in answers.missing] == ["four", "three"]
        [(topic, error)] = meeting.reports
        assert (topic, type(error)) == ("load", ZeroDivisionError)

    meet(network, scenario)


def test_who_leaves_without_an_answer_is_missing_and_not_waited_for(network: Network) -> None:
    async def scenario(meeting: Meeting) -> None:
        one, two, three = (meeting.join(name) for name in ("one", "two", "three"))
        await two.respond("load", lambda _: 2)

        async def leave(_: str) -> None:
            asyncio.get_running_loop().call_soon(leaving.set)
            await asyncio.get_running_loop().create_future()

        leaving = asyncio.Event()
        await three.respond("load", leave)
        asking = asyncio.create_task(one.request_all("load", "now?", 60))
        await leaving.wait()
        await three.close()
        answers = await asking
        assert list(answers.replies.values()) == [2]
        assert [name.rpartition("/")[2] for name in answers.missing] == ["three"]

    meet(network, scenario)


def test_where_nobody_responds_nobody_is_missing(network: Network) -> None:
    async def scenario(meeting: Meeting) -> None:
        answers = await meeting.join("one").request_all("load", "now?", 5)
        assert (answers.replies, answers.missing) == ({}, [])

    meet(network, scenario)


# When it breaks


def test_after_another_has_taken_its_place_everything_goes_on_and_the_gap_is_logged(
    network: Network, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario(meeting: Meeting) -> None:
        one, two = meeting.join("one"), meeting.join("two")
        async with two.subscribe("a") as subscription:
            await one.publish("a", "before")
            assert await taken(subscription, 1) == ["before"]
            meeting.network.restart()
            speaking = asyncio.create_task(speak(one))
            came = await taken(subscription, 50)
            speaking.cancel()
            assert came == sorted(set(came))

    async def speak(one: Bus) -> None:
        for number in count():
            await one.publish("a", number)

    meet(network, scenario)
    gaps = [each["name"] for each in events(capfd) if each["event"] == "bus_gap"]
    assert sorted(name.rpartition("/")[2] for name in gaps) == ["one", "two"]


def test_without_anybody_to_take_it_a_message_is_an_error_after_a_while(network: Network) -> None:
    async def scenario(meeting: Meeting) -> None:
        one = meeting.join("one")
        await one.publish("a", "there")
        meeting.network.stop()
        with pytest.raises(BusError, match="5 s"):
            await one.publish("a", "nobody there")

    meet(network, scenario)
