"""What was said and is not acknowledged: in order, bounded, and not for ever."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prefork.errors import BusError

PATIENCE = 5.0  # seconds until a message that nobody takes is an error
MOST_UNDER_WAY = 32 * 1024 * 1024  # bytes that are not acknowledged; then publishers wait


@dataclass(slots=True)
class Sent:
    """A frame until it is acknowledged. *due*: the loop's time at which it is given up."""

    number: int
    channel: bytes
    frame: bytes
    done: "asyncio.Future[None]"
    due: float

    @property
    def is_wanted(self) -> bool:
        """Whether somebody still waits for it."""
        return not self.done.done()


class Outbox:
    """*reason*: is asked why something was not taken in time."""

    def __init__(self, reason: Callable[[], str]) -> None:
        self._reason = reason
        self._loop = asyncio.get_running_loop()
        self._sent: deque[Sent] = deque()  # by number
        self._size = 0  # bytes
        self._room = asyncio.Event()
        self._clock: asyncio.TimerHandle | None = None  # while there is something
        self._end = ""  # why nothing more is taken

    def __len__(self) -> int:
        return len(self._sent)

    def __iter__(self) -> Iterator[Sent]:
        return iter(self._sent)

    async def room(self) -> None:
        """Wait until not too much is under way. Raises BusError where that is so for too long."""
        if self._size <= MOST_UNDER_WAY:
            return
        try:
            async with asyncio.timeout(PATIENCE):
                while self._size > MOST_UNDER_WAY:
                    self._room.clear()
                    await self._room.wait()
        except TimeoutError:
            raise BusError(self._reason()) from None

    def put(self, number: int, channel: bytes, frame: bytes) -> Sent:
        """Keep it; its `done` gets a result, or a BusError. Raises that once it is closed."""
        if self._end:
            raise BusError(self._end)
        due = self._loop.time() + PATIENCE
        sent = Sent(number, channel, frame, self._loop.create_future(), due)
        self._sent.append(sent)
        self._size += len(frame)
        if self._clock is None:
            self._clock = self._loop.call_at(due, self._look)
        return sent

    def acknowledge(self, number: int) -> None:
        """Everything up to this number is done."""
        while self._sent and self._sent[0].number <= number:
            sent = self._pop()
            if sent.is_wanted:
                sent.done.set_result(None)

    def close(self, reason: str) -> None:
        """Give up all, and take nothing more."""
        self._end = reason
        if self._clock is not None:
            self._clock.cancel()
        self._give_up(len(self._sent), reason)

    def _look(self) -> None:
        """Give up what was not acknowledged in time, and look again when the next is due."""
        now = self._loop.time()
        late = sum(1 for each in self._sent if each.due <= now)
        if late:
            self._give_up(late, self._reason())
        self._clock = self._loop.call_at(self._sent[0].due, self._look) if self._sent else None

    def _give_up(self, count: int, reason: str) -> None:
        for _ in range(count):
            sent = self._pop()
            if sent.is_wanted:
                sent.done.set_exception(BusError(reason))

    def _pop(self) -> Sent:
        sent = self._sent.popleft()
        self._size -= len(sent.frame)
        if self._size <= MOST_UNDER_WAY:
            self._room.set()
        return sent
