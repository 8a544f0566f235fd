"""NATS as a broker: it has what was said before a mark of ours that has come back to us.

A mark, since the library's own `flush` may write its ping before what is still in its buffer.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from urllib.parse import quote

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error

from prefork.bus.engines.brokered import Hear
from prefork.bus.outbox import PATIENCE
from prefork.errors import BusError
from prefork.settings import broker

PING_EVERY = 10  # seconds; after two without an answer the connection is taken for lost


class Nats:
    """The library's own reconnecting is off: what was missed meanwhile has to be told."""

    def __init__(self, url: str) -> None:
        self.shown = broker.shown(url)
        self._url = url
        self._client: Client | None = None
        self._lost = asyncio.Event()
        self._trouble = ""
        self._subscriptions: dict[bytes, Subscription] = {}  # by channel
        self._hear: Hear | None = None
        self._inbox = ""  # where our marks come back
        self._marks: deque[asyncio.Future[None]] = deque()  # on their way

    @property
    def most(self) -> int:
        return 1024 * 1024 if self._client is None else self._client.max_payload

    async def connect(self, hear: Hear) -> None:
        await self.close()
        self._hear, self._trouble = hear, ""
        self._lost = lost = asyncio.Event()

        async def end() -> None:
            self._end(lost)

        self._client = client = Client()  # also where this fails: it holds a socket then
        self._subscriptions = {}
        try:
            await client.connect(
                self._url,
                error_cb=self._note,
                closed_cb=end,
                allow_reconnect=False,
                max_reconnect_attempts=1,  # or it tries for ever to connect; 0 is no limit
                reconnect_time_wait=0,
                connect_timeout=round(PATIENCE),
                ping_interval=PING_EVERY,
                max_outstanding_pings=2,
            )
            self._inbox = client.new_inbox()
            await client.subscribe(self._inbox, cb=self._come_back)
        except (Error, OSError) as error:
            raise BusError(self._reason(error)) from None

    async def publish(self, batch: list[tuple[bytes, bytes]]) -> None:
        client = self._client
        assert client is not None, "connect comes first"
        try:
            for channel, frame in batch:
                await client.publish(_subject(channel), frame)
        except (Error, OSError) as error:
            raise BusError(self._reason(error)) from None
        await self._until_taken(client)

    async def subscribe(self, channels: Sequence[bytes]) -> None:
        client, known = self._client, self._subscriptions
        assert client is not None, "connect comes first"
        try:
            for each in channels:
                if each not in known:
                    known[each] = await client.subscribe(_subject(each), cb=self._take)
        except (Error, OSError) as error:
            raise BusError(self._reason(error)) from None
        await self._until_taken(client)

    async def unsubscribe(self, channel: bytes) -> None:
        subscription = self._subscriptions.pop(channel, None)
        if subscription is None:
            return
        try:
            await subscription.unsubscribe()
        except (Error, OSError) as error:
            raise BusError(self._reason(error)) from None

    async def lost(self) -> None:
        await self._lost.wait()

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _until_taken(self, client: Client) -> None:
        """Wait until the server has everything that was said before."""
        mark: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._marks.append(mark)
        try:
            await client.publish(self._inbox)
        except (Error, OSError) as error:
            if mark in self._marks:  # it is not on its way: those after it would take its answer
                self._marks.remove(mark)
            raise BusError(self._reason(error)) from None
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.shield(mark)
        except (Error, OSError) as error:  # of which TimeoutError is one
            raise BusError(self._reason(error)) from None

    async def _come_back(self, _: Msg) -> None:
        self._marks.popleft().set_result(None)

    async def _take(self, message: Msg) -> None:
        assert self._hear is not None, "connect comes first"
        self._hear(message.data)

    async def _note(self, error: Exception) -> None:
        """The library has no other way to say why it closes a connection."""
        self._trouble = str(error)

    def _end(self, lost: asyncio.Event) -> None:
        lost.set()
        while lost is self._lost and self._marks:  # else there is another connection already
            mark = self._marks.popleft()
            mark.set_exception(BusError(self._trouble or "the connection was lost"))
            mark.exception()  # there may be nobody left to hear it

    def _reason(self, error: Exception) -> str:
        return self._trouble or str(error) or type(error).__name__


def _subject(channel: bytes) -> str:
    """Spell out what a subject may not have, or gives a meaning: spaces, dots, stars."""
    return quote(channel, safe=":/").replace(".", "%2E")
