"""The bus as a worker has it: publish, subscribe, ask all."""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from prefork import log
from prefork.bus import inquiry
from prefork.bus.engine import ANSWERS, MESSAGES, REQUESTS, Engine, Identity, Receiver
from prefork.bus.envelope import MAX_TOPIC, Frame
from prefork.bus.inquiry import Inquiry, Replies
from prefork.bus.subscription import Callback, Report, Subscription
from prefork.errors import BusError, RemoteError
from prefork.wire import post
from prefork.wire.complaint import Complaint

MOST_SEEN = 16384  # senders on channels, whose last number is kept there
MOST_ANSWERING = 1000  # requests that one worker is answering at a time

MakeEngine = Callable[[Identity, Receiver], Engine]
Respond = Callable[[Any], Any]  # plain, or a coroutine function; returns the reply


class Bus:
    """Of one worker, on its event loop. *report*: is told what users' code raises."""

    def __init__(self, name: str, make: MakeEngine, report: Report) -> None:
        self._identity = Identity(name)
        self._report = report
        self._subscriptions: dict[bytes, list[Subscription]] = {}  # by channel
        self._responders: dict[bytes, Respond] = {}  # by channel
        self._inquiries: dict[int, Inquiry] = {}
        self._numbers = count(1)  # of inquiries
        self._seen: dict[tuple[int, bytes], int] = {}  # the last number of a sender on a channel
        self._answering: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._garbage = Complaint("bus_garbage")
        self._refusals = Complaint("bus_requests_dropped")
        self._answers = ANSWERS + b"%016x" % self._identity.sender
        self._engine = make(self._identity, self)

    # -- for users

    async def publish(self, topic: str, message: object) -> None:
        """Give *message* to everybody else who subscribes to *topic* at this moment.

        Returns when the hub, or the broker, has it for each of them. Raises BusError where it has
        not taken it in 5 s, TypeError or ValueError where it can't be sent.
        """
        await self._engine.publish(_channel(MESSAGES, topic), post.encode(message))

    def subscribe(self, topic: str, callback: Callback | None = None) -> Subscription:
        """Get what others publish there: for `async with` and `async for`, or by *callback*.

        With a callback it begins at once, and goes on until its `end` is awaited.
        """
        _channel(MESSAGES, topic)
        subscription = Subscription(topic, self._begin, self._end)
        if callback is not None:
            subscription.call(callback, self._report)
        return subscription

    async def request_all(
        self,
        topic: str,
        message: object,
        timeout: float,  # noqa: ASYNC109 - what it returns then is no error
    ) -> Replies:
        """Ask everybody else who responds on *topic*, for at most *timeout* seconds.

        Raises BusError where the request can't be sent.
        """
        channel, value = _channel(REQUESTS, topic), post.encode(message)
        number, asking = next(self._numbers), Inquiry()
        await self._engine.subscribe(self._answers)
        self._inquiries[number] = asking
        try:
            async with asyncio.timeout(timeout):
                asking.ask(await self._engine.ask(channel, inquiry.question(number, value)))
                await asking.done
        except TimeoutError:
            pass  # the result says who is missing
        finally:
            del self._inquiries[number]
        return asking.result()

    async def respond(self, topic: str, respond: Respond) -> None:
        """Answer requests on *topic* by what *respond* returns; a later one takes its place."""
        channel = _channel(REQUESTS, topic)
        self._responders[channel] = respond
        await self._engine.respond(channel)

    async def close(self) -> None:
        """Take leave: the worker ends."""
        if self._is_closed:
            return
        self._is_closed = True
        for task in self._answering:
            task.cancel()
        for each in [each for every in self._subscriptions.values() for each in every]:
            await each.end()
        await self._engine.close()

    # -- for the engine

    def deliver(self, frame: Frame) -> None:
        """Give it to whom it is for, once, unless it is our own."""
        if frame.sender == self._identity.sender or not self._is_new(frame):
            return
        if subscriptions := self._subscriptions.get(frame.channel):
            for each in subscriptions:
                each.put(frame.payload)
            return
        try:
            if frame.channel == self._answers:
                self._heed(inquiry.read_answer(frame.payload))
            elif respond := self._responders.get(frame.channel):
                self._answer(frame, respond)
        except RemoteError as error:
            now = asyncio.get_running_loop().time()
            self._garbage.tell(now, channel=frame.channel.decode(errors="replace"), reason=error)

    def gone(self, name: str) -> None:
        for each in self._inquiries.values():
            each.gone(name)

    def gap(self, reason: str) -> None:
        log.warning("bus_gap", name=self._identity.name, reason=reason)

    def _is_new(self, frame: Frame) -> bool:
        """A sender's numbers only grow on a channel: what is said again has an older one."""
        seen, where = self._seen, (frame.sender, frame.channel)
        last = seen.get(where, 0)
        if frame.number <= last:
            return False
        if last == 0 and len(seen) == MOST_SEEN:
            del seen[next(iter(seen))]
        seen[where] = frame.number
        return True

    # -- subscribers

    async def _begin(self, subscription: Subscription) -> None:
        channel = _channel(MESSAGES, subscription.topic)
        self._subscriptions.setdefault(channel, []).append(subscription)
        await self._engine.subscribe(channel)

    def _end(self, subscription: Subscription) -> None:
        channel = _channel(MESSAGES, subscription.topic)
        others = self._subscriptions[channel]
        others.remove(subscription)
        if not others:
            del self._subscriptions[channel]
            self._engine.unsubscribe(channel)

    # -- requests and answers

    def _heed(self, answer: inquiry.Answer) -> None:
        if asking := self._inquiries.get(answer.number):
            asking.reply(answer)

    def _answer(self, frame: Frame, respond: Respond) -> None:
        loop = asyncio.get_running_loop()
        if len(self._answering) == MOST_ANSWERING:
            self._refusals.tell(loop.time(), reason=f"{MOST_ANSWERING} are being answered")
            return
        number, value = inquiry.read_question(frame.payload)
        topic = frame.channel.removeprefix(REQUESTS).decode()
        channel = ANSWERS + b"%016x" % frame.sender
        task = loop.create_task(self._respond(topic, respond, value, channel, number))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _respond(
        self, topic: str, respond: Respond, value: bytes, channel: bytes, number: int
    ) -> None:
        """Answer by what the user's code returns, or say that it raised."""
        encoded = None
        try:
            made = respond(post.decode(value))
            encoded = post.encode(await made if inspect.isawaitable(made) else made)
        except Exception as error:  # noqa: BLE001 - the user's code; whoever asked is told
            self._report(topic, error)
        try:
            answer = inquiry.answer(number, self._identity.name, encoded)
            await self._engine.publish(channel, answer)
        except BusError as error:
            log.warning("bus_answer_lost", topic=topic, reason=str(error))


def _channel(purpose: bytes, topic: str) -> bytes:
    """Raises ValueError where it is no topic."""
    name = topic.encode()
    if not 0 < len(name) <= MAX_TOPIC:
        raise ValueError(f"a topic has 1 to {MAX_TOPIC} bytes of UTF-8, not {len(name)}")
    return purpose + name


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a worker gives to its bus: which engine, under which name, and who is told."""

    make: MakeEngine
    name: str
    report: Report


_surroundings: Surroundings | None = None
_bus: Bus | None = None


def settle(surroundings: Surroundings) -> None:
    """Say what the bus of this worker is made of, once somebody wants it."""
    global _surroundings  # noqa: PLW0603 - there is one worker in a process
    _surroundings = surroundings


def of_this_worker() -> Bus:
    """Return this worker's bus, on the loop that runs: made now, if nobody wanted it before.

    Raises BusError outside of a worker.
    """
    global _bus  # noqa: PLW0603 - as above
    if _bus is None:
        if _surroundings is None:
            raise BusError("the bus is there only in a worker, once its event loop runs")
        _bus = Bus(_surroundings.name, _surroundings.make, _surroundings.report)
    return _bus


async def leave() -> None:
    """Close this worker's bus, where anybody wanted it."""
    if _bus is not None:
        await _bus.close()
