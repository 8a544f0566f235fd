"""Redis as a broker: PUBLISH on one connection, whose answer acknowledges, SUBSCRIBE on another.

Its channels know nothing of its databases, so the number of ours stands before each: or who has
another one for another instance would find out by what it hears.
"""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis as Client
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from prefork.bus.engines.brokered import Hear
from prefork.bus.outbox import PATIENCE
from prefork.errors import BusError
from prefork.settings import broker

MOST = 512 * 1024 * 1024  # bytes; proto-max-bulk-len, as Redis comes
_KEEPALIVE = {  # seconds of silence, and between three probes: a peer may vanish without a word
    getattr(socket, name): value
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
}


class Redis:
    """The library's own subscriber makes lost connections again in silence; we have to know."""

    most = MOST

    def __init__(self, url: str) -> None:
        self.shown = broker.shown(url)
        self._url = url
        self._space = b"%d/" % broker.database(url)
        self._client: Client | None = None
        self._subscriber: AbstractConnection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._confirmations: dict[tuple[bytes, bytes], asyncio.Future[None]] = {}

    async def connect(self, hear: Hear) -> None:
        await self.close()
        options: dict[str, Any] = {
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
            "socket_connect_timeout": PATIENCE,
            "socket_keepalive": True,
            "socket_keepalive_options": _KEEPALIVE,
        }
        try:
            self._client = Client.from_url(self._url, socket_timeout=PATIENCE, **options)
            await self._client.ping()
            pool = ConnectionPool.from_url(self._url, socket_timeout=None, **options)
            self._subscriber = pool.make_connection()  # type: ignore[no-untyped-call]
            await self._subscriber.connect()
        except (RedisError, OSError) as error:
            raise BusError(_reason(error)) from None
        self._reading = asyncio.get_running_loop().create_task(self._read(self._subscriber, hear))

    async def publish(self, batch: list[tuple[bytes, bytes]]) -> None:
        assert self._client is not None, "connect comes first"
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                for channel, frame in batch:
                    pipeline.publish(self._space + channel, frame)
                await pipeline.execute()
        except (RedisError, OSError) as error:
            raise BusError(_reason(error)) from None

    async def subscribe(self, channels: Sequence[bytes]) -> None:
        await self._command(b"subscribe", [self._space + each for each in channels])

    async def unsubscribe(self, channel: bytes) -> None:
        await self._command(b"unsubscribe", [self._space + channel])

    async def lost(self) -> None:
        assert self._reading is not None, "connect comes first"
        await asyncio.wait([self._reading])

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        if self._subscriber is not None:
            await self._subscriber.disconnect(nowait=True)
        if self._client is not None:
            await self._client.aclose()
        self._client = self._subscriber = self._reading = None

    async def _command(self, verb: bytes, channels: Sequence[bytes]) -> None:
        """Return when Redis has confirmed it, among the messages."""
        assert self._subscriber is not None, "connect comes first"
        loop, known = asyncio.get_running_loop(), self._confirmations
        awaited = [known.setdefault((verb, each), loop.create_future()) for each in channels]
        try:
            await self._subscriber.send_command(verb, *channels)
        except (RedisError, OSError) as error:
            raise BusError(_reason(error)) from None
        for done in awaited:
            await asyncio.shield(done)

    async def _read(self, subscriber: AbstractConnection, hear: Hear) -> None:
        """Read until the connection is lost."""
        reason = "the connection was lost"
        try:
            while True:
                verb, channel, rest = await subscriber.read_response(disable_decoding=True)
                if verb == b"message":
                    hear(rest)
                elif (done := self._confirmations.pop((verb, channel), None)) is not None:
                    done.set_result(None)
        except (RedisError, OSError) as error:
            reason = _reason(error)
        finally:
            for done in self._confirmations.values():
                done.set_exception(BusError(reason))
                done.exception()  # there may be nobody left to hear it
            self._confirmations.clear()


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
