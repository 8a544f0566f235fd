"""What one subscriber has not taken yet, and how it takes it."""

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, Self

from prefork import log
from prefork.bus.envelope import MAX_PAYLOAD
from prefork.errors import BusError, RemoteError
from prefork.wire import post
from prefork.wire.complaint import Complaint

MOST_KEPT = 10_000  # messages that wait for one subscriber
MOST_BYTES = 2 * MAX_PAYLOAD  # that these have; the largest message fits beside others

Callback = Callable[[Any], Any]  # plain, or a coroutine function
Report = Callable[[str, BaseException], None]  # says which topic's code raised what


def is_told_to_end(error: BaseException) -> bool:
    """Whether it cancels this task, rather than something that was awaited in it."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


class Subscription:
    """One subscriber of a topic, from `begin` to `end`.

    To begin, `await` it or give it to `async with`; without a callback, take its messages by `async
    for`. Whoever takes too slowly loses the oldest, and the log says so; *missed*: how many.
    """

    def __init__(
        self,
        topic: str,
        begin: Callable[["Subscription"], Coroutine[Any, Any, None]],
        end: Callable[["Subscription"], None],
    ) -> None:
        """*begin*, *end*: makes what is awaited to be given messages; is called to be given no
        more."""
        self.topic = topic
        self.missed = 0  # messages that were dropped here
        self._begin = begin
        self._end = end
        self._kept: deque[bytes] = deque()
        self._size = 0  # bytes of these
        self._news = asyncio.Event()
        self._beginning: asyncio.Task[None] | None = None  # under way, or done
        self._is_begun = self._is_over = False
        self._losses = Complaint("bus_subscriber_slow")
        self._garbage = Complaint("bus_garbage")
        self._calling: asyncio.Task[None] | None = None

    def put(self, payload: bytes) -> None:
        """Keep it until it is taken."""
        self._kept.append(payload)
        self._size += len(payload)
        if self._size > MOST_BYTES or len(self._kept) > MOST_KEPT:
            self._drop()
        self._news.set()

    def _drop(self) -> None:
        while self._size > MOST_BYTES or len(self._kept) > MOST_KEPT:
            self._size -= len(self._kept.popleft())
            self.missed += 1
        self._losses.tell(self._now(), topic=self.topic, missed=self.missed)

    async def begin(self) -> Self:
        """Return when messages that are published from now on come here. Raises BusError.

        Who has given a callback need not try again: it is called as soon as messages can come.
        """
        if self._is_over:
            raise BusError(f"the subscription to {self.topic!r} has ended")
        beginning = self._beginning = self._beginning or self._start()
        try:
            await asyncio.wait([beginning])  # it is there for all who wait: none may cancel it
        except asyncio.CancelledError:
            await self._give_up()
            raise
        if beginning.cancelled():
            raise BusError(f"the subscription to {self.topic!r} has ended")
        if error := beginning.exception():
            if self._beginning is beginning:
                self._beginning = None  # or the next one to wait would not even try
            await self._give_up()
            raise error
        self._is_begun = True
        return self

    def _start(self) -> "asyncio.Task[None]":
        return asyncio.get_running_loop().create_task(self._begin(self))

    async def _give_up(self) -> None:
        if self._calling is None:
            await self.end()

    async def end(self) -> None:
        """Be given no more. What is kept can still be taken, but a callback is not called again.

        One that runs at this moment goes on.
        """
        if self._is_over:
            return
        self._is_over = self._is_begun = True
        if self._beginning is not None:
            self._beginning.cancel()
        if self._calling is not None:
            self._kept.clear()
        self._news.set()
        self._end(self)

    def call(self, callback: Callback, report: Report) -> None:
        """Begin, and call it with each message, one after another; what it raises is reported."""
        self._beginning = self._start()
        self._calling = asyncio.get_running_loop().create_task(self._call(callback, report))

    async def _call(self, callback: Callback, report: Report) -> None:
        try:
            await self.begin()
        except BusError as error:
            if not self._is_over:
                log.warning("bus_unreachable", topic=self.topic, reason=str(error))
            self._is_begun = True
        async for message in self:
            try:
                made = callback(message)
                if made is not None and inspect.isawaitable(made):
                    await made
            except (Exception, asyncio.CancelledError) as error:  # the user's code; the next comes
                if is_told_to_end(error):
                    raise
                report(self.topic, error)

    def __await__(self) -> Generator[Any, None, Self]:
        return self.begin().__await__()

    async def __aenter__(self) -> Self:
        return await self.begin()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.end()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if not self._is_begun:
            await self.begin()
        while True:
            while not self._kept:
                if self._is_over:
                    raise StopAsyncIteration
                self._news.clear()
                await self._news.wait()
            payload = self._kept.popleft()
            self._size -= len(payload)
            try:
                return post.decode(payload)
            except RemoteError as error:
                self._garbage.tell(self._now(), topic=self.topic, reason=str(error))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
