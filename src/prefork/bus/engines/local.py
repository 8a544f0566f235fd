"""The hub of this instance as an engine: a line to it, and a new one when it is another hub."""

import asyncio
import socket
from collections.abc import Callable

from prefork.bus import envelope
from prefork.bus.engine import Identity, Receiver
from prefork.bus.envelope import CARRIED, MOST_CHANNELS, Frame, Kind
from prefork.bus.line import Line
from prefork.bus.outbox import PATIENCE, Outbox, Sent
from prefork.errors import BusError

Take = Callable[[socket.socket], None]
Want = Callable[[Take], None]  # asks the primary for lines; our end of each goes to Take
ASK_AGAIN = 1.0  # seconds after the end of a line, if there is no other: the primary has the wish


class Local:
    """What is not acknowledged is said again to the next hub; who has it already drops it."""

    def __init__(self, identity: Identity, receiver: Receiver, want: Want) -> None:
        self._identity = identity
        self._receiver = receiver
        self._want = want
        self._loop = asyncio.get_running_loop()
        self._channels: set[bytes] = set()
        self._outbox = Outbox(lambda: f"the hub has not taken it within {PATIENCE:g} s")
        self._rolls: dict[int, asyncio.Future[list[str]]] = {}  # by the number of what was asked
        self._unwritten: list[bytes] = []  # of this turn of the loop
        self._line: Line | None = None
        self._is_welcome = False
        self._was_here = False  # a hub, before this one
        self._asking: asyncio.TimerHandle | None = None
        want(self._take)

    async def subscribe(self, channel: bytes) -> None:
        if len(self._channels) == MOST_CHANNELS and channel not in self._channels:
            raise BusError(f"a worker subscribes to at most {MOST_CHANNELS} topics")
        self._channels.add(channel)
        await self._send(Kind.SUBSCRIBE, channel).done

    def unsubscribe(self, channel: bytes) -> None:
        self._channels.discard(channel)
        self._send(Kind.UNSUBSCRIBE, channel).done.add_done_callback(_overlook)

    async def respond(self, channel: bytes) -> None:
        await self.subscribe(channel)  # the hub knows who does

    async def publish(self, channel: bytes, payload: bytes) -> None:
        await self._outbox.room()
        await self._send(Kind.PUBLISH, channel, payload).done

    async def ask(self, channel: bytes, payload: bytes) -> list[str]:
        await self._outbox.room()
        asked = self._send(Kind.ASK, channel, payload)
        roll: asyncio.Future[list[str]] = self._loop.create_future()
        self._rolls[asked.number] = roll
        try:
            await asked.done
            async with asyncio.timeout(PATIENCE):
                await roll
        except TimeoutError:
            raise BusError("the hub does not say who was asked") from None
        finally:
            del self._rolls[asked.number]
        return roll.result()

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
        if self._line is not None:
            self._flush()
            self._line.close()
            self._line = None
        self._outbox.close("the worker ends")

    # -- to the hub

    def _send(self, kind: Kind, channel: bytes, payload: bytes = b"") -> Sent:
        number, frame = self._identity.frame(kind, channel, payload)
        sent = self._outbox.put(number, channel, frame)
        if self._is_welcome:
            self._write(frame)
        return sent

    def _write(self, frame: bytes) -> None:
        """Write with whatever else is said in this turn of the loop, in one call."""
        if not self._unwritten:
            self._loop.call_soon(self._flush)
        self._unwritten.append(frame)

    def _flush(self) -> None:
        if self._line is not None:
            self._line.write(b"".join(self._unwritten))
        self._unwritten.clear()

    # -- the line

    def _take(self, sock: socket.socket) -> None:
        """Greet the hub there by what we subscribe to; all else waits until it welcomes us."""
        if self._asking is not None:
            self._asking.cancel()
        if self._line is not None:
            self._line.close()
        self._line, self._is_welcome = Line(sock, self._loop, self._hear, self._lose), False
        self._unwritten.clear()  # it is not acknowledged, so it is said again once we are welcome
        sender = self._identity.sender
        greeting = [envelope.encode(Kind.SUBSCRIBE, sender, 0, each) for each in self._channels]
        self._line.write(b"".join([*greeting, envelope.encode(Kind.HELLO, sender, 0)]))

    def _lose(self) -> None:
        """The hub has died, for it hangs up on nobody who keeps to the rules."""
        self._line, self._is_welcome = None, False
        self._asking = self._loop.call_later(ASK_AGAIN, self._ask)

    def _ask(self) -> None:
        self._asking = self._loop.call_later(ASK_AGAIN, self._ask)
        self._want(self._take)

    def _welcome(self) -> None:
        if self._was_here:
            self._receiver.gap("the hub was replaced")
        self._is_welcome = self._was_here = True
        for each in self._outbox:
            if each.is_wanted:
                self._write(each.frame)

    def _hear(self, frame: Frame) -> None:
        if frame.kind in CARRIED:
            self._receiver.deliver(frame)
        elif frame.kind == Kind.ACK:
            self._outbox.acknowledge(frame.number)
        elif frame.kind == Kind.HELLO:
            self._welcome()
        elif frame.kind == Kind.ROLL:
            roll = self._rolls.get(frame.number)
            if roll is not None and not roll.done():
                roll.set_result(frame.payload.decode().split("\0") if frame.payload else [])
        elif frame.kind == Kind.GONE:
            self._receiver.gone(frame.payload.decode())
        elif frame.kind == Kind.MISSED:
            self._receiver.gap(f"{frame.number} messages were dropped: it reads too slowly")


def _overlook(done: "asyncio.Future[None]") -> None:
    """Nobody waits for it, but it must not be cancelled: then it would not be said again."""
    done.exception()
