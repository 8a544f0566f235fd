"""A member, and the primary's ends of its channel and of its post, in one event loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

from tests.worker.rig import PATIENCE

from prefork.wire import channel
from prefork.wire.channel import Channel
from prefork.wire.letters import Kind, Letter
from prefork.wire.messages import Introduce, Message, Want
from prefork.wire.post import Post, decode, encode
from prefork.worker.link import Link
from prefork.worker.member import Identity, Member

T = TypeVar("T")
IDENTITY = Identity(id=7, slot=1, generation=2)


class Readable(Protocol):
    def fileno(self) -> int: ...


class Primary:
    def __init__(self, member: Member) -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = channel.pair()
        self.channel = Channel(ours)
        self._theirs = Channel(theirs)
        self.link = Link(self._theirs, loop)
        self.member = member
        self._post: Post | None = None
        self._read: list[Letter] = []
        self._flushed = asyncio.Event()
        member.attach(loop, self.link)

    @property
    def post(self) -> Post:
        assert self._post is not None, "no line was laid"
        return self._post

    async def hear(self) -> list[Message]:
        """Wait for what the worker says next on its channel."""
        await until_readable(self.channel)
        return list(self.channel.receive())

    def lay(self) -> None:
        """Lay a line."""
        ours, theirs = channel.pair()
        self._post = Post(ours)
        self.channel.send(Introduce("post"), [theirs.detach()])

    async def meet(self) -> None:
        """Lay the line that the worker wants."""
        assert await self.hear() == [Want("post")]
        self.lay()

    def say(
        self, kind: Kind, number: int, payload: bytes | bytearray, descriptors: Sequence[int] = ()
    ) -> bool:
        """Send a letter; what doesn't fit is written when the worker has read."""
        has_room = self.post.send(kind, number, bytes(payload), descriptors)
        if self.post.has_unsent:
            asyncio.get_running_loop().add_writer(self.post, self._flush)
        return has_room

    def tell(self, *values: object) -> None:
        for value in values:
            self.say(Kind.MESSAGE, 0, encode(value))

    def ask(self, number: int, value: object) -> None:
        self.say(Kind.REQUEST, number, encode(value))

    async def letters(self, count: int) -> list[Letter]:
        """Wait for so many of the worker's letters."""
        while len(self._read) < count:
            await until_readable(self.post)
            self._read += self.post.receive()
            assert not self.post.is_ended or len(self._read) >= count, "it has closed its end"
        taken, self._read = self._read[:count], self._read[count:]
        return taken

    def _flush(self) -> None:
        if self.post.flush():
            asyncio.get_running_loop().remove_writer(self.post)
            self._flushed.set()

    async def flushed(self) -> None:
        """Wait until the worker has read so much that nothing is unsent."""
        async with asyncio.timeout(PATIENCE):
            while self.post.has_unsent:
                self._flushed.clear()
                await self._flushed.wait()

    async def values(self, count: int) -> list[Any]:
        return [decode(letter.payload) for letter in await self.letters(count)]

    async def until_closed(self) -> None:
        """Wait until the worker has closed its end."""
        while not self.post.is_ended:
            await until_readable(self.post)
            self._read += self.post.receive()

    def close(self) -> None:
        self.member._letters.mailbox.close()
        asyncio.get_running_loop().remove_reader(self._theirs)  # or its end would end the process
        for each in (self.channel, self._theirs):
            each.close()
        if self._post is not None and not self._post.is_closed:
            asyncio.get_running_loop().remove_writer(self._post)
            self._post.close()


async def until_readable(source: Readable) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(source, readable.set)
    try:
        async with asyncio.timeout(PATIENCE):
            await readable.wait()
    finally:
        loop.remove_reader(source)


async def within(waited: Awaitable[T]) -> T:
    """Wait for it, but not for ever."""
    async with asyncio.timeout(PATIENCE):
        return await waited


@asynccontextmanager
async def primary_of(member: Member | None = None) -> AsyncIterator[Primary]:
    primary = Primary(member or Member(IDENTITY))
    try:
        yield primary
    finally:
        primary.close()


class Heard:
    """A handler that keeps what it is called with."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._changed = asyncio.Event()

    def __call__(self, value: Any) -> None:
        self.values.append(value)
        self._changed.set()

    async def count(self, wanted: int) -> list[Any]:
        """Wait until it was called so often."""
        async with asyncio.timeout(PATIENCE):
            while len(self.values) < wanted:
                self._changed.clear()
                await self._changed.wait()
        return self.values
