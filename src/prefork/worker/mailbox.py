"""The worker's end of its post to the primary, in its event loop."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from socket import socket
from typing import Protocol

from prefork import log
from prefork.errors import RemoteError
from prefork.wire.descriptors import Descriptor, close_all, duplicates
from prefork.wire.letters import Kind, Letter, give_all
from prefork.wire.messages import POST, Message, Want
from prefork.wire.post import Post


class Reader(Protocol):
    """Whom letters are for."""

    def take(self, letter: Letter) -> None:
        """Own it. Raises RemoteError for one that nobody must send."""

    def end(self) -> None:
        """Hear that no letter will come, nor any that is sent arrive."""


class Mailbox:
    """The line is laid when it is first wanted: until then there is no descriptor and no message.

    `send` and `soon` may be called on any thread, all else on the loop's.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._post = Post(peer="primary")
        self.thread = threading.get_ident()  # the loop's
        self._loop: asyncio.AbstractEventLoop | None = None
        self._say: Callable[[Message], None] | None = None
        self._is_wanted = False
        self._is_open = False  # the line is there
        self._is_writing = False  # the loop watches for room
        self._others: deque[Callable[[], object]] = deque()  # what other threads want done
        self._waiters: list[asyncio.Future[None]] = []  # for room

    @property
    def is_shut(self) -> bool:
        """Whether what is sent arrives nowhere."""
        return self._post.is_shut

    @property
    def is_full(self) -> bool:
        """Whether nothing more is taken, since the primary does not read."""
        return self._post.is_full

    @property
    def has_unsent(self) -> bool:
        """Whether something waits for the line, or for the loop."""
        return self._post.has_unsent or bool(self._others)

    # -- its life ------------------------------------------------------------

    def attach(self, loop: asyncio.AbstractEventLoop, say: Callable[[Message], None]) -> None:
        """Begin to work in *loop*, which runs on this thread. *say*: on the channel."""
        self.thread = threading.get_ident()
        self._loop, self._say = loop, say
        if self._is_open:  # another loop, which has ended, had it before
            self.resume()
            self._watch()
        elif self._is_wanted:
            say(Want(POST))
        loop.call_soon(self._do_others)

    def detach(self) -> None:
        """Work in that loop no more: it ends, and another may come."""
        self.pause()
        if self._loop is not None and self._is_writing:
            self._loop.remove_writer(self._post)
        self._is_writing = False
        self._loop = None

    def open(self, sock: socket) -> None:
        """Take our end of the line."""
        self._is_wanted = self._is_open = True
        self._post.connect(sock)
        self.resume()
        self._flush()

    async def flush(self, by: float) -> bool:
        """Send what is unsent, at most until the loop's time *by*; False: it was not all taken."""
        loop = asyncio.get_running_loop()
        self._do_others()
        while self._post.has_unsent and loop.time() < by:
            await asyncio.wait([self._waiter()], timeout=by - loop.time())
        return not self._post.has_unsent

    def close(self) -> None:
        self.detach()
        self._is_open = False
        self._post.close()
        self._wake()
        self._reader.end()

    # -- sending -------------------------------------------------------------

    def send(
        self, kind: Kind, number: int, payload: bytes, descriptors: Sequence[Descriptor] = ()
    ) -> bool:
        """Send a letter. On another thread than the loop's True says that it is queued.

        Raises as `Post.send` does.
        """
        if threading.get_ident() == self.thread:
            return self._send(kind, number, payload, descriptors)
        self.soon(partial(self._send_given, kind, number, payload, duplicates(descriptors)))
        return not self.is_shut

    def soon(self, act: Callable[[], object]) -> None:
        """Have the loop's thread do it."""
        self._others.append(act)
        if self._loop is not None:  # else `attach` sees to it
            self._loop.call_soon_threadsafe(self._do_others)

    async def drain(self) -> None:
        """Wait until there is room for more; not where nothing arrives any more."""
        while not (self._post.has_room or self.is_shut):
            await self._waiter()

    def _send(
        self, kind: Kind, number: int, payload: bytes, descriptors: Sequence[Descriptor]
    ) -> bool:
        if not self._is_wanted:
            self._is_wanted = True
            if self._say is not None:  # else `attach` says it
                self._say(Want(POST))
        has_room = self._post.send(kind, number, payload, descriptors)
        self._watch()
        return has_room

    def _send_given(self, kind: Kind, number: int, payload: bytes, descriptors: list[int]) -> None:
        """Send what another thread gave, with duplicates that it made."""
        try:
            self._send(kind, number, payload, descriptors)
        finally:
            close_all(descriptors)

    def _do_others(self) -> None:
        while self._others:
            self._others.popleft()()

    def _flush(self) -> None:
        self._post.flush()
        self._watch()
        if self._post.has_room:
            self._wake()

    def _watch(self) -> None:
        """Have the loop watch for room exactly while something is unsent."""
        if self._loop is None or not self._is_open or self._post.has_unsent == self._is_writing:
            return
        self._is_writing = self._post.has_unsent
        if self._is_writing:
            self._loop.add_writer(self._post, self._flush)
        else:
            self._loop.remove_writer(self._post)

    def _waiter(self) -> "asyncio.Future[None]":
        future = asyncio.get_running_loop().create_future()
        self._waiters.append(future)
        return future

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    # -- receiving -----------------------------------------------------------

    def pause(self) -> None:
        """Read nothing, so that the primary is asked to wait."""
        if self._loop is not None and self._is_open:
            self._loop.remove_reader(self._post)

    def resume(self) -> None:
        if self._loop is not None and self._is_open:
            self._loop.add_reader(self._post, self._hear)

    def _hear(self) -> None:
        try:
            give_all(self._post.receive(), self._reader.take)
        except RemoteError as error:
            log.error("primary_misbehaved", reason=str(error), effect="no more messages")
            self.close()
            return
        if self._post.is_ended:
            self.close()
