"""What one subscriber has not taken yet, and how it takes it."""

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, Self

from prefork import log
from prefork.errors import BusError, RemoteError
from prefork.wire import post
from prefork.wire.complaint import Complaint

MOST_KEPT = 10_000  # messages that wait for one subscriber

Callback = Callable[[Any], Any]  # plain, or a coroutine function
Report = Callable[[str, BaseException], None]  # says which topic's code raised what


class Subscription:
    """One subscriber of a topic, from `begin` to `end`.

    To begin, `await` it or give it to `async with`; without a callback, take its messages by `async
    for`. Whoever takes too slowly loses the oldest, and the log says so; *missed*: how many.
    """

    def __init__(
        self,
        topic: str,
        begun: Callable[["Subscription"], Awaitable[None]],
        ended: Callable[["Subscription"], None],
    ) -> None:
        """*begun*, *ended*: what is awaited to be given messages; what is called to be given no
        more."""
        self.topic = topic
        self.missed = 0  # messages that were dropped here
        self._begun = begun
        self._ended = ended
        self._kept: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._is_begun = self._is_over = False
        self._losses = Complaint("bus_subscriber_slow")
        self._garbage = Complaint("bus_garbage")
        self._calling: asyncio.Task[None] | None = None

    def put(self, payload: bytes) -> None:
        """Keep it until it is taken."""
        if len(self._kept) == MOST_KEPT:
            self._kept.popleft()
            self.missed += 1
            self._losses.tell(self._now(), topic=self.topic, missed=self.missed)
        self._kept.append(payload)
        self._news.set()

    async def begin(self) -> Self:
        """Return when messages that are published from now on come here. Raises BusError."""
        if not self._is_begun:
            self._is_begun = True
            try:
                await self._begun(self)
            except (BusError, asyncio.CancelledError):
                if self._calling is None:  # else it begins as soon as somebody takes it
                    await self.end()
                raise
        return self

    async def end(self) -> None:
        """Be given no more; what is kept is still taken."""
        if self._is_over:
            return
        self._is_over = True
        self._news.set()
        if self._calling is not None:
            self._calling.cancel()
        if self._is_begun:
            self._ended(self)

    def call(self, callback: Callback, report: Report) -> None:
        """Begin, and call it with each message, one after another; what it raises is reported."""
        self._calling = asyncio.get_running_loop().create_task(self._call(callback, report))

    async def _call(self, callback: Callback, report: Report) -> None:
        try:
            await self.begin()
        except BusError as error:
            log.warning("bus_unreachable", topic=self.topic, reason=str(error))
        async for message in self:
            try:
                made = callback(message)
                if made is not None and inspect.isawaitable(made):
                    await made
            except Exception as error:  # noqa: BLE001 - the user's code; the next one comes
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
            try:
                return post.decode(self._kept.popleft())
            except RemoteError as error:
                self._garbage.tell(self._now(), topic=self.topic, reason=str(error))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
