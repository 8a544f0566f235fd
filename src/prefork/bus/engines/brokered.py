"""A broker as an engine: messages in batches, and a connection that is made again."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import islice
from math import inf
from typing import Any, Protocol

from prefork import log
from prefork.bus import envelope
from prefork.bus.attendance import Attendance
from prefork.bus.engine import NOTICES, Identity, Receiver
from prefork.bus.envelope import Kind
from prefork.bus.outbox import PATIENCE, Outbox, Sent
from prefork.errors import BusError, RemoteError
from prefork.wire.complaint import Complaint

BATCH = 1000  # messages, or subscriptions, that a broker is given at a time
FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0  # seconds until a broker is tried again; they double

Hear = Callable[[bytes], None]  # is given each frame that comes


class Broker(Protocol):
    """One connection at a time; every verb raises BusError where that is lost, or never was."""

    shown: str  # its URL, without what only it should know

    @property
    def most(self) -> int:
        """How many bytes of one message it takes."""

    async def connect(self, hear: Hear) -> None:
        """Make a new connection, with no subscription."""

    async def publish(self, batch: list[tuple[bytes, bytes]]) -> None:
        """Publish frames, each with its channel. Returns when the broker has them all."""

    async def subscribe(self, channels: Sequence[bytes]) -> None:
        """Return when the broker has the subscriptions; a second one changes nothing."""

    async def unsubscribe(self, channel: bytes) -> None:
        """Take it back."""

    async def lost(self) -> None:
        """Return when the connection is lost."""

    async def close(self) -> None:
        """Close the connection, whatever state it is in."""


class Brokered:
    """Keeps a connection to the broker, and says again what that had not taken."""

    def __init__(self, identity: Identity, receiver: Receiver, broker: Broker) -> None:
        self._identity = identity
        self._receiver = receiver
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        self._channels: set[bytes] = set()
        self._outbox = Outbox(self._reason)
        self._trouble = ""  # why there is no connection
        self._was_up = False
        self._up = asyncio.Event()
        self._news = asyncio.Event()  # something is to be published
        self._unreachable = Complaint("bus_unreachable")
        self._reached = Complaint("bus_reached", log.info)
        self._garbage = Complaint("bus_garbage")
        self._attendance = Attendance(identity.name, receiver.gone, self)
        self._tasks: set[asyncio.Task[None]] = set()
        self.own(self._live())
        self.own(self._attendance.beat())

    # -- verbs

    async def subscribe(self, channel: bytes) -> None:
        self._channels.add(channel)
        try:
            async with asyncio.timeout(PATIENCE):
                await self._subscribe(channel)
        except TimeoutError:
            raise BusError(self._reason()) from None

    def unsubscribe(self, channel: bytes) -> None:
        self._channels.discard(channel)
        if self._up.is_set():
            self.own(self._unsubscribe(channel))

    async def respond(self, channel: bytes) -> None:
        await self.subscribe(channel)
        await self._attendance.respond(channel)

    async def publish(self, channel: bytes, payload: bytes) -> None:
        await self._outbox.room()
        await self._put(Kind.PUBLISH, channel, payload).done

    async def ask(self, channel: bytes, payload: bytes) -> list[str]:
        await self._attendance.call(channel)
        await self._outbox.room()
        await self._put(Kind.ASK, channel, payload).done
        return self._attendance.others(channel)

    async def close(self) -> None:
        if self._up.is_set():
            await self._attendance.leave()
        self._up.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._broker.close()
        self._outbox.close("the worker ends")

    def own(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run it as a task, until `close` at most."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- the connection

    async def _live(self) -> None:
        """Connect, carry until the connection is lost, and again after a while."""
        delay = FIRST_DELAY
        while True:
            since = inf
            try:
                await self._connect()
                since = self._loop.time()
                await self._carry()
            except TimeoutError:
                self._tell(f"it does not answer within {PATIENCE:g} s")
            except Exception as error:  # noqa: BLE001 - a library's; nobody else tries again
                self._tell(str(error) or type(error).__name__)
            self._up.clear()
            # Not after each connection: a broker that refuses what we say were in a tight loop.
            if self._loop.time() - since > LONGEST_DELAY:
                delay = FIRST_DELAY
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)

    async def _connect(self) -> None:
        """Return when we are connected, and subscribed. Raises TimeoutError or BusError."""
        async with asyncio.timeout(PATIENCE):
            await self._broker.connect(self._hear)
        channels = list(self._channels)
        for start in range(0, len(channels), BATCH):
            async with asyncio.timeout(PATIENCE):
                await self._broker.subscribe(channels[start : start + BATCH])
        for channel in set(channels) - self._channels:  # whoever wanted it has ended meanwhile
            self.own(self._unsubscribe(channel))
        if self._was_up:
            self._receiver.gap(f"the connection to {self._broker.shown} was lost")
            self._attendance.forget()
        if self._trouble:
            self._reached.tell(self._loop.time(), broker=self._broker.shown)
        self._was_up, self._trouble = True, ""
        self._up.set()

    async def _carry(self) -> None:
        """Publish what there is, in its order. Raises BusError when the connection is lost."""
        lost = self._loop.create_task(self._broker.lost())
        try:
            while not lost.done():
                if len(self._outbox):
                    await self._publish()
                else:
                    await self._until_news(lost)
        finally:
            lost.cancel()
        raise BusError("the connection was lost")

    async def _publish(self) -> None:
        batch = list(islice(self._outbox, BATCH))
        await self._broker.publish([(each.channel, each.frame) for each in batch if each.is_wanted])
        self._outbox.acknowledge(batch[-1].number)

    async def _until_news(self, lost: "asyncio.Task[None]") -> None:
        self._news.clear()
        news = self._loop.create_task(self._news.wait())
        try:
            await asyncio.wait([news, lost], return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()

    def _tell(self, reason: str) -> None:
        self._trouble = reason
        self._unreachable.tell(self._loop.time(), broker=self._broker.shown, reason=reason)

    def _reason(self) -> str:
        why = "" if self._up.is_set() or not self._trouble else f": {self._trouble}"
        return f"{self._broker.shown} has not taken it within {PATIENCE:g} s{why}"

    def _put(self, kind: Kind, channel: bytes, payload: bytes) -> Sent:
        if len(payload) > self._broker.most - envelope.OVERHEAD:
            raise ValueError(
                f"{self._broker.shown} takes messages of at most {self._broker.most} bytes"
            )
        number, frame = self._identity.frame(kind, channel, payload)
        sent = self._outbox.put(number, channel, frame)
        self._news.set()
        return sent

    async def _subscribe(self, channel: bytes) -> None:
        while True:
            await self._up.wait()
            try:
                return await self._broker.subscribe([channel])
            except BusError as error:
                self._tell(str(error))
                await asyncio.sleep(FIRST_DELAY)

    async def _unsubscribe(self, channel: bytes) -> None:
        try:
            if channel not in self._channels:  # else somebody has subscribed again meanwhile
                await self._broker.unsubscribe(channel)
        except BusError as error:
            self._tell(str(error))  # with the connection the subscription is gone

    def _hear(self, data: bytes) -> None:
        try:
            frame = envelope.decode(data)
            if frame.channel.startswith(NOTICES):
                self._attendance.heed(frame)
            else:
                self._receiver.deliver(frame)
        except RemoteError as error:
            self._garbage.tell(self._loop.time(), broker=self._broker.shown, reason=str(error))
