"""The items of a stream that nobody has read yet."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any


class Unread:
    def __init__(self, outcome: "asyncio.Future[Any]") -> None:
        """*outcome*: of the stream's task; once that is done, no more of them come."""
        self._outcome = outcome  # not its task, which has us: all arguments would wait for the GC
        self._unread: deque[Any] = deque()
        self._more: asyncio.Event = asyncio.Event()
        outcome.add_done_callback(lambda _: self._more.set())

    def put(self, item: Any) -> None:
        self._unread.append(item)
        self._more.set()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            while self._unread:
                yield self._unread.popleft()
            if self._outcome.done():
                return
            self._more.clear()
            await self._more.wait()
