"""The worker's end of its channel to the primary."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from prefork import log
from prefork.errors import RemoteError
from prefork.wire import signalling, stream
from prefork.wire.channel import Channel
from prefork.wire.descriptors import close_all
from prefork.wire.messages import (
    Admit,
    Introduce,
    Lead,
    Leaving,
    ListenFailed,
    Listening,
    Message,
    PoolExit,
    PoolLine,
    Stop,
    Tickets,
    Want,
)
from prefork.worker import dismissal

HEARD = (signal.SIGTERM, signal.SIGINT)
ASK_AGAIN = 1.0  # seconds after which a line is asked for whose end no descriptor was free for


class Link:
    """Hears when to begin and when to stop, and says what the primary must know."""

    def __init__(self, channel: Channel, loop: asyncio.AbstractEventLoop) -> None:
        self._channel = channel
        self._loop = loop
        self._is_ready = False
        self._is_leaving = False
        self.leaves_at_once = False  # nobody comes first in its place, so that it need not be ready
        self.is_admitted = False
        self.stop_by: float | None = None  # the loop's time; None: not told to stop
        self.hands_back = False  # others take over what we have nothing to finish on
        self.told: asyncio.Future[None] = loop.create_future()  # done at each order, then made anew
        # Done once this worker leads, which one that was told to stop never does; cancelled where
        # nobody need wait for that any more.
        self.leading: asyncio.Future[None] = loop.create_future()
        self.lines: dict[str, Callable[[socket.socket], None]] = {}  # by kind: who takes its end
        self.count_in: Callable[[], None] = lambda: None  # called by one that wants to lead
        self.stopped: Callable[[], None] = lambda: None  # called when we are first told to stop
        self.answered: Callable[[Listening | ListenFailed, Channel], None] | None = None
        self.pool: Callable[[Tickets | PoolLine | PoolExit, Channel], None] = _drop
        loop.add_reader(channel, self.hear)
        for number in HEARD:
            loop.add_signal_handler(number, self._leave)

    def say(self, message: Message) -> None:
        self._channel.send(message)
        if not self._channel.flush():
            self._loop.add_writer(self._channel, self._flush)

    def ready(self, message: Message) -> None:
        """Say that we serve; and that somebody told us to go meanwhile, if so."""
        self.say(message)
        self._is_ready = True
        if self._is_leaving and self.stop_by is None:
            self.say(Leaving())

    def _flush(self) -> None:
        if self._channel.flush():
            self._loop.remove_writer(self._channel)

    def hear(self) -> None:
        """Do what was said; whoever leaves it to the loop hears it in the next turn."""
        for message in self._channel.receive():
            match message:
                case Lead():
                    self._lead()
                case Introduce(kind):
                    self._introduce(kind)
                case Admit() | Stop():
                    self._obey(message)
                case Listening() | ListenFailed() if self.answered is not None:
                    self.answered(message, self._channel)
                case Tickets() | PoolLine() | PoolExit():
                    self.pool(message, self._channel)
                case _:
                    raise RemoteError(f"the primary sent {message}")
        if self._channel.is_ended:
            log.error("primary_died")
            os.killpg(0, signal.SIGKILL)

    def _obey(self, order: Admit | Stop) -> None:
        if isinstance(order, Stop):
            is_first, self.stop_by = self.stop_by is None, self._loop.time() + order.grace
            self.hands_back = order.hands_back
            if is_first:
                self._abdicate()
                self.stopped()
        else:
            self.is_admitted = True
        if not self.told.done():  # of an admission, being told is all
            self.told.set_result(None)

    @property
    def leads(self) -> bool:
        """Whether this worker is the leader; from any thread."""
        return self.stop_by is None and self.leading.done()

    def _lead(self) -> None:
        if self.stop_by is None and not self.leading.done():
            self.leading.set_result(None)

    def _abdicate(self) -> None:
        if self.leading.done():
            self.leading = self._loop.create_future()

    def _introduce(self, kind: str) -> None:
        try:
            [descriptor] = self._channel.claim(1)
        except OSError as error:
            log.error("line_lost", kind=kind, reason=error.strerror, effect="it is asked for again")
            self._loop.call_later(ASK_AGAIN, self.say, Want(kind))
            return
        if kind in self.lines:
            self.lines[kind](stream.adopt_pair_end(descriptor))
        else:
            os.close(descriptor)  # who wanted it has gone with an event loop

    def leave(self) -> None:
        """Ask to be told to stop, unless that was asked or told before."""
        if self.stop_by is None and not self._is_leaving:
            self._is_leaving = True
            if self._is_ready or self.leaves_at_once:
                self.say(Leaving())

    def deafen(self) -> None:
        """All is finished: let no signal that comes late end the process in another way.

        The primary's may follow its order late; a loop that closes would let it have its default
        action.
        """
        with signalling.masked():
            self._forget_signals()
            signalling.disregard(*HEARD)

    def let_go(self) -> None:
        """The loop ends unasked: from now on a signal ends the process, as before it."""
        self._forget_signals()
        dismissal.heed()

    def _forget_signals(self) -> None:
        """All of them: a loop that hears any while it closes is told by a descriptor it closed."""
        for number in HEARD:
            self._loop.remove_signal_handler(number)

    def _leave(self) -> None:
        """A signal: the primary's, whose order is then waiting in the channel, or a stranger's."""
        self.hear()
        self.leave()

    async def until_told(self, *others: "asyncio.Future[Any]", by: float | None = None) -> None:
        """Wait for the next order, one of *others*, or the loop's time *by*."""
        if self.told.done():
            self.told = self._loop.create_future()
        timeout = None if by is None else max(0.0, by - self._loop.time())
        await asyncio.wait(
            [self.told, *others], timeout=timeout, return_when=asyncio.FIRST_COMPLETED
        )


def _drop(message: Tickets | PoolLine | PoolExit, channel: Channel) -> None:
    """Close what came for a pool that has gone with another loop, or it is taken for other."""
    if isinstance(message, PoolExit):
        return
    with suppress(OSError):  # they were lost on their way
        close_all(channel.claim(message.descriptors if isinstance(message, PoolLine) else 1))
