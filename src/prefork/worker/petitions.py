"""What a script's worker asks of the primary: addresses, which that opens."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Sequence
from itertools import count

import msgspec

from prefork import log
from prefork.wire import stream
from prefork.wire.channel import Channel
from prefork.wire.messages import ListenFailed, Listening, Unlisten
from prefork.worker.link import Link
from prefork.worker.serving import Serving, Where

ASK_AGAIN = 1.0  # seconds until what was open before, and can't be opened now, is asked for again


class StoppedError(OSError):
    """It is too late to listen: this worker was told to stop, or its primary was."""

    def __init__(self) -> None:
        super().__init__(errno.ECANCELED, "this worker is to stop")


class Petitions:
    """*opened*: called as soon as an answer is read, for the next read may be a connection."""

    def __init__(
        self, link: Link, loop: asyncio.AbstractEventLoop, opened: Callable[[Serving], None]
    ) -> None:
        self._link = link
        self._loop = loop
        self._opened = opened
        self._open: dict[int, tuple[Serving, asyncio.Future[None]]] = {}  # by ticket
        self._tickets = 0
        self._ports: dict[int, Serving] = {}  # by their index: those on any free port
        link.answered = self._hear

    async def ask(self, serving: Serving, where: Where) -> None:
        """Have an address opened for it. Raises OSError where that can't be."""
        self._tickets += 1
        ticket = self._tickets
        is_any = where.path is None and where.port == 0
        serving.asked = where.asked(ticket, self._index(serving) if is_any else 0)
        try:
            await self._put(serving, ticket)
        finally:
            self._open.pop(ticket, None)

    def _index(self, serving: Serving) -> int:
        """Give the lowest that no other has; that of one which is closed is free again."""
        self._ports = {n: each for n, each in self._ports.items() if not each.is_closing}
        index = next(n for n in count() if n not in self._ports)
        self._ports[index] = serving
        return index

    def ask_again(self, serving: Serving) -> None:
        """Have it opened once more, unless that was asked for."""
        if any(each is serving for each, _ in self._open.values()) or self._link.stop_by:
            return
        assert serving.asked is not None, "it was open before"
        self._tickets += 1
        serving.asked = msgspec.structs.replace(serving.asked, ticket=self._tickets, is_again=True)
        self._put(serving, self._tickets).add_done_callback(lambda it: self._look(it, serving))

    def withdraw(self) -> None:
        """Wait for no answer any more: we are to stop."""
        for _, answered in self._open.values():
            _fail(answered, StoppedError())
        self._open.clear()

    def _put(self, serving: Serving, ticket: int) -> "asyncio.Future[None]":
        answered: asyncio.Future[None] = self._loop.create_future()
        if self._link.stop_by is not None:
            answered.set_exception(StoppedError())
            return answered
        assert serving.asked is not None, "it is worded"
        self._open[ticket] = serving, answered
        self._link.say(serving.asked)
        return answered

    def _look(self, answered: "asyncio.Future[None]", serving: Serving) -> None:
        """Ask once more where it was refused: somebody may have been quicker, or short of it."""
        error = answered.exception()
        if error is not None and self._link.stop_by is None:
            log.error("listen_refused", address=serving.address, reason=str(error))
            self._loop.call_later(ASK_AGAIN, self.ask_again, serving)

    def _hear(self, answer: Listening | ListenFailed, channel: Channel) -> None:
        serving, answered = self._open.pop(answer.ticket, (None, None))
        if isinstance(answer, ListenFailed):
            _fail(answered, _error(answer, serving))
            return
        try:
            listeners = _listeners(answer, channel)
        except OSError as error:  # there was no descriptor for them
            self._link.say(Unlisten(answer.address))
            _fail(answered, error)
            return
        if serving is None or answered is None or answered.done() or serving.is_closing:
            self._link.say(Unlisten(answer.address))  # nobody waits for it any more
            for each in listeners:
                each.close()
            return
        serving.open(answer, listeners)
        self._opened(serving)
        answered.set_result(None)


def _listeners(answer: Listening, channel: Channel) -> Sequence[socket.socket]:
    given = channel.claim(answer.own) if answer.own else []
    return [stream.adopt(each, answer.family) for each in given]


def _fail(answered: "asyncio.Future[None] | None", error: OSError) -> None:
    if answered is not None and not answered.done():
        answered.set_exception(error)


def _error(answer: ListenFailed, serving: Serving | None) -> OSError:
    if answer.errno == errno.ECANCELED:
        return StoppedError()
    asked = None if serving is None else serving.asked
    where = "" if asked is None else asked.path or f"{asked.host}:{asked.port}"
    return OSError(answer.errno, answer.reason or os.strerror(answer.errno), where)
