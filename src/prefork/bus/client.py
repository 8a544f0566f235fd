"""The bus as a worker has it: publish, subscribe, ask all."""

import asyncio
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

from prefork.bus import inquiry
from prefork.bus.answering import Answering, Respond
from prefork.bus.engine import ANSWERS, MESSAGES, REQUESTS, Engine, Identity, Receiver
from prefork.bus.envelope import MAX_TOPIC, Frame
from prefork.bus.inquiry import Inquiry, Replies
from prefork.bus.subscription import Callback, Report, Subscription
from prefork.errors import BusError, RemoteError
from prefork.wire import post
from prefork.wire.complaint import Complaint

MOST_SEEN = 16384  # senders on channels, whose last number is kept there; twice as many at most

MakeEngine = Callable[[Identity, Receiver], Engine]
Source = tuple[int, bytes]  # a sender, and a channel


class Bus:
    """Of one worker, on its event loop. *report*: is told what users' code raises."""

    def __init__(self, name: str, make: MakeEngine, report: Report) -> None:
        self._identity = Identity(name)
        self._report = report
        self._subscriptions: dict[bytes, dict[Subscription, None]] = {}  # by channel, in order
        self._inquiries: dict[int, Inquiry] = {}
        self._numbers = count(1)  # of inquiries
        self._seen: dict[Source, int] = {}  # the last number of a sender on a channel
        self._seen_before: dict[Source, int] = {}  # the same, of those that are quiet
        self._answering = Answering(self._identity, report)
        self._is_closed = False
        self._hears_answers = False
        self._garbage = Complaint("bus_garbage")
        self._gaps = Complaint("bus_gap")
        self._answers = ANSWERS + b"%016x" % self._identity.sender
        self._engine = make(self._identity, self)

    # -- for users

    async def publish(self, topic: str, message: object) -> None:
        """Give *message* to everybody else who subscribes to *topic* at this moment.

        Returns when the hub, or the broker, has it for each of them. Raises BusError where it has
        not taken it in 5 s (where 32 MiB wait before it, in 10 s), TypeError or ValueError where it
        can't be sent.
        """
        await self._engine.publish(_channel(MESSAGES, topic), post.encode(message))

    def subscribe(self, topic: str, callback: Callback | None = None) -> Subscription:
        """Get what others publish there: for `async with` and `async for`, or by *callback*.

        With a callback it begins at once, and goes on until its `end` is awaited. Raises BusError
        before the worker's event loop runs.
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

        Raises BusError where the request can't be sent, or not in this time.
        """
        channel, value = _channel(REQUESTS, topic), post.encode(message)
        number, asking = next(self._numbers), Inquiry()
        self._inquiries[number] = asking
        try:
            async with asyncio.timeout(timeout):
                if not self._hears_answers:
                    await self._engine.subscribe(self._answers)
                    self._hears_answers = True
                asking.ask(await self._engine.ask(channel, inquiry.question(number, value)))
                await asking.done
        except TimeoutError:  # else the result says who is missing
            if not asking.is_asked:
                raise BusError(f"nobody could be asked within {timeout:g} s") from None
        finally:
            del self._inquiries[number]
        return asking.result()

    async def respond(self, topic: str, respond: Respond) -> None:
        """Answer requests on *topic* by what *respond* returns; a later one takes its place."""
        channel = _channel(REQUESTS, topic)
        self._answering.respond(channel, respond)
        await self._engine.respond(channel)

    async def close(self) -> None:
        """Take leave: the worker ends."""
        if self._is_closed:
            return
        self._is_closed = True
        self._answering.close()
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
                answer = inquiry.read_answer(frame.payload)
                if asking := self._inquiries.get(answer.number):
                    asking.reply(answer)
            else:
                self._answering.heed(frame, self._engine)
        except RemoteError as error:
            channel = frame.channel.decode(errors="replace")
            self._garbage.tell(_now(), channel=channel, reason=error)

    def gone(self, name: str) -> None:
        for each in self._inquiries.values():
            each.gone(name)

    def gap(self, reason: str) -> None:
        self._gaps.tell(_now(), name=self._identity.name, reason=reason)

    def _is_new(self, frame: Frame) -> bool:
        """A sender's numbers only grow on a channel: what is said again has an older one."""
        where = (frame.sender, frame.channel)
        last = self._seen.get(where) or self._recall(where)
        if frame.number <= last:
            return False
        self._seen[where] = frame.number
        return True

    def _recall(self, where: Source) -> int:
        """What it said last before it was quiet, or 0; the quietest are forgotten."""
        last = self._seen_before.get(where, 0)
        if len(self._seen) == MOST_SEEN:
            self._seen, self._seen_before = {}, self._seen
        return last

    # -- subscribers

    def _begin(self, subscription: Subscription) -> Coroutine[Any, Any, None]:
        """Let it be given what comes; what is returned brings it about that something comes."""
        channel = _channel(MESSAGES, subscription.topic)
        self._subscriptions.setdefault(channel, {})[subscription] = None
        return self._engine.subscribe(channel)

    def _end(self, subscription: Subscription) -> None:
        channel = _channel(MESSAGES, subscription.topic)
        here = self._subscriptions.get(channel, {})
        if subscription not in here:
            return  # it never began
        del here[subscription]
        if not here:
            del self._subscriptions[channel]
            if not self._is_closed:
                self._engine.unsubscribe(channel)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _channel(purpose: bytes, topic: str) -> bytes:
    """Raises ValueError where it is no topic."""
    name = topic.encode()
    if not 0 < len(name) <= MAX_TOPIC:
        raise ValueError(f"a topic has 1 to {MAX_TOPIC} bytes of UTF-8, not {len(name)}")
    return purpose + name
