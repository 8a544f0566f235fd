"""A broker as an engine: messages in batches, and a connection that is made again."""

import asyncio
from collections.abc import Callable, Coroutine
from itertools import islice
from typing import Any, Protocol

from prefork.bus import envelope
from prefork.bus.attendance import Attendance
from prefork.bus.engine import NOTICES, Identity, Receiver
from prefork.bus.envelope import Kind
from prefork.bus.outbox import PATIENCE, Outbox, Sent
from prefork.errors import BusError, RemoteError
from prefork.wire.complaint import Complaint

BATCH = 1000  # messages that a broker is given at a time
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

    async def subscribe(self, channel: bytes) -> None:
        """Return when the broker has the subscription; a second one changes nothing."""

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
        self._up = asyncio.Event()
        self._news = asyncio.Event()  # something is to be published
        self._unreachable = Complaint("bus_unreachable")
        self._garbage = Complaint("bus_garbage")
        self._attendance = Attendance(identity.name, receiver.gone, self)
        self._tasks: set[asyncio.Task[None]] = set()
        self._own(self._live())
        self._own(self._attendance.beat())

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
            self._own(self._unsubscribe(channel))

    async def respond(self, channel: bytes) -> None:
        await self.subscribe(channel)
        await self._attendance.respond(channel)

    async def publish(self, channel: bytes, payload: bytes) -> None:
        await self._outbox.room()
        await self._put(Kind.PUBLISH, channel, payload).done

    async def ask(self, channel: bytes, payload: bytes) -> list[str]:
        await self._attendance.call(channel)
        await self._put(Kind.ASK, channel, payload).done
        return self._attendance.others(channel)

    async def close(self) -> None:
        if self._up.is_set():
            await self._attendance.leave()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._broker.close()
        self._outbox.close("the worker ends")

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it as a task, until `close` at most."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- the connection

    async def _live(self) -> None:
        """Connect, carry until the connection is lost, and again."""
        was_up, delay = False, FIRST_DELAY
        while True:
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._broker.connect(self._hear)
                    for channel in list(self._channels):
                        await self._broker.subscribe(channel)
            except (BusError, TimeoutError) as error:
                self._tell(str(error) or f"it does not answer within {PATIENCE:g} s")
                await asyncio.sleep(delay)
                delay = min(2 * delay, LONGEST_DELAY)
                continue
            if was_up:
                self._receiver.gap(f"the connection to {self._broker.shown} was lost")
            was_up, delay = True, FIRST_DELAY
            self._up.set()
            await self._carry()
            self._up.clear()

    async def _carry(self) -> None:
        """Publish what there is, in its order, until the connection is lost."""
        lost = self._loop.create_task(self._broker.lost())
        try:
            while not lost.done():
                if len(self._outbox):
                    await self._publish()
                else:
                    await self._until_news(lost)
            self._tell("the connection was lost")
        except BusError as error:
            self._tell(str(error))
        finally:
            lost.cancel()

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
                return await self._broker.subscribe(channel)
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
