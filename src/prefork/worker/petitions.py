"""What a script's worker asks of the primary: addresses, which that opens."""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Sequence

from prefork.wire import stream
from prefork.wire.channel import Channel
from prefork.wire.messages import ListenFailed, Listening, Unlisten
from prefork.worker.link import Link
from prefork.worker.serving import Serving, Where

Opened = Callable[[Serving, int], None]  # with the address's family


class Petitions:
    """*opened*: called as soon as an answer is read, for the next read may be a connection."""

    def __init__(self, link: Link, loop: asyncio.AbstractEventLoop, opened: Opened) -> None:
        self._link = link
        self._loop = loop
        self._opened = opened
        self._open: dict[int, tuple[Serving, asyncio.Future[None]]] = {}  # by ticket
        self._tickets = 0
        self._ports = 0  # how many times any free port was asked for
        link.answered = self._hear

    async def ask(self, serving: Serving, where: Where) -> None:
        """Have an address opened for it. Raises OSError where that can't be."""
        if self._link.stop_by is not None:
            raise _told_to_stop()
        self._tickets += 1
        ticket, answered = self._tickets, self._loop.create_future()
        self._open[ticket] = serving, answered
        self._link.say(where.asked(ticket, self._ports))
        self._ports += where.path is None and where.port == 0
        try:
            await answered
        finally:
            self._open.pop(ticket, None)

    def withdraw(self) -> None:
        """Wait for no answer any more: we are to stop."""
        for _, answered in self._open.values():
            if not answered.done():
                answered.set_exception(_told_to_stop())
        self._open.clear()

    def _hear(self, answer: Listening | ListenFailed, channel: Channel) -> None:
        serving, answered = self._open.pop(answer.ticket, (None, None))
        if isinstance(answer, ListenFailed):
            _fail(answered, OSError(answer.errno, os.strerror(answer.errno)))
            return
        try:
            listeners = _listeners(answer, channel)
        except OSError as error:  # there was no descriptor for them
            self._link.say(Unlisten(answer.address))
            _fail(answered, error)
            return
        if serving is None or answered is None or answered.done():  # nobody waits for it any more
            self._link.say(Unlisten(answer.address))
            for each in listeners:
                each.close()
            return
        serving.open(answer, listeners)
        self._opened(serving, answer.family)
        answered.set_result(None)


def _listeners(answer: Listening, channel: Channel) -> Sequence[socket.socket]:
    given = channel.claim(answer.own) if answer.own else []
    return [stream.adopt(each, answer.family) for each in given]


def _fail(answered: "asyncio.Future[None] | None", error: OSError) -> None:
    if answered is not None and not answered.done():
        answered.set_exception(error)


def _told_to_stop() -> OSError:
    return OSError(errno.ECANCELED, "this worker was told to stop")
