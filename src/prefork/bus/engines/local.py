"""The hub of this instance as an engine: a line to it, and a new one when it is another hub."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from prefork.bus import envelope
from prefork.bus.engine import MOST_UNDER_WAY, PATIENCE, Identity, Receiver
from prefork.bus.envelope import CARRIED, Frame, Kind
from prefork.bus.line import Line
from prefork.errors import BusError

Take = Callable[[socket.socket], None]
Want = Callable[[Take], None]  # asks the primary for lines; our end of each goes to Take
ASK_AGAIN = 1.0  # seconds after the end of a line, if there is no other: the primary has the wish


@dataclass(slots=True)
class Sent:
    """A frame until it is acknowledged. *due*: the loop's time at which it is given up."""

    number: int
    data: bytes
    done: "asyncio.Future[None]"
    due: float


class Local:
    """What is not acknowledged is said again to the next hub; who has it already drops it."""

    def __init__(self, identity: Identity, receiver: Receiver, want: Want) -> None:
        self._identity = identity
        self._receiver = receiver
        self._want = want
        self._loop = asyncio.get_running_loop()
        self._channels: set[bytes] = set()
        self._sent: deque[Sent] = deque()  # not acknowledged, by number
        self._size = 0  # bytes of these
        self._room = asyncio.Event()
        self._rolls: dict[int, asyncio.Future[list[str]]] = {}  # by the number of what was asked
        self._unwritten: list[bytes] = []  # of this turn of the loop
        self._line: Line | None = None
        self._is_welcome = False
        self._was_here = False  # a hub, before this one
        self._clock: asyncio.TimerHandle | None = None  # while something is not acknowledged
        self._asking: asyncio.TimerHandle | None = None
        want(self._take)

    async def subscribe(self, channel: bytes) -> None:
        self._channels.add(channel)
        await self._send(Kind.SUBSCRIBE, channel, b"")

    def unsubscribe(self, channel: bytes) -> None:
        self._channels.discard(channel)
        self._send(Kind.UNSUBSCRIBE, channel, b"").cancel()  # nobody waits for it

    async def publish(self, channel: bytes, payload: bytes) -> None:
        while self._size > MOST_UNDER_WAY:
            self._room.clear()
            await self._room.wait()
        await self._send(Kind.PUBLISH, channel, payload)

    async def ask(self, channel: bytes, payload: bytes) -> list[str]:
        done = self._send(Kind.ASK, channel, payload)
        number = self._sent[-1].number
        roll: asyncio.Future[list[str]] = self._loop.create_future()
        self._rolls[number] = roll
        try:
            await done
            async with asyncio.timeout(PATIENCE):
                await roll
        except TimeoutError:
            raise BusError("the hub does not say who was asked") from None
        finally:
            del self._rolls[number]
        return roll.result()

    async def close(self) -> None:
        for timer in (self._asking, self._clock):
            if timer is not None:
                timer.cancel()
        if self._line is not None:
            self._flush()
            self._line.close()
            self._line = None
        self._give_up(len(self._sent), "the worker ends")

    # -- to the hub

    def _send(self, kind: Kind, channel: bytes, payload: bytes) -> "asyncio.Future[None]":
        number, data = self._identity.frame(kind, channel, payload)
        sent = Sent(number, data, self._loop.create_future(), self._loop.time() + PATIENCE)
        self._sent.append(sent)
        self._size += len(data)
        if self._clock is None:
            self._clock = self._loop.call_at(sent.due, self._look)
        if self._is_welcome:
            self._write(data)
        return sent.done

    def _write(self, data: bytes) -> None:
        """Write with whatever else is said in this turn of the loop, in one call."""
        if not self._unwritten:
            self._loop.call_soon(self._flush)
        self._unwritten.append(data)

    def _flush(self) -> None:
        if self._line is not None:
            self._line.write(b"".join(self._unwritten))
        self._unwritten.clear()

    def _look(self) -> None:
        """Give up what was not acknowledged in time, and look again when the next is due."""
        now = self._loop.time()
        late = sum(1 for each in self._sent if each.due <= now)
        self._give_up(late, f"the hub has not taken it within {PATIENCE:g} s")
        self._clock = self._loop.call_at(self._sent[0].due, self._look) if self._sent else None

    def _give_up(self, count: int, reason: str) -> None:
        for _ in range(count):
            sent = self._pop()
            if not sent.done.done():
                sent.done.set_exception(BusError(reason))

    def _pop(self) -> Sent:
        sent = self._sent.popleft()
        self._size -= len(sent.data)
        if self._size <= MOST_UNDER_WAY:
            self._room.set()
        return sent

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
        self._want(self._take)
        self._asking = self._loop.call_later(ASK_AGAIN, self._ask)

    def _welcome(self) -> None:
        if self._was_here:
            self._receiver.gap("the hub was replaced")
        self._is_welcome = self._was_here = True
        for each in self._sent:
            if not each.done.done():  # else whoever said it does not wait for it any more
                self._write(each.data)

    def _hear(self, frame: Frame) -> None:
        if frame.kind in CARRIED:
            self._receiver.deliver(frame)
        elif frame.kind == Kind.ACK:
            self._acknowledge(frame.number)
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

    def _acknowledge(self, number: int) -> None:
        while self._sent and self._sent[0].number <= number:
            done = self._pop().done
            if not done.done():
                done.set_result(None)
