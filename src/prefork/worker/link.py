"""The worker's end of its channel to the primary."""

import asyncio
import os
import signal

from prefork import log
from prefork.errors import RemoteError
from prefork.wire.channel import Channel
from prefork.wire.messages import Admit, Leaving, Message, Stop


class Link:
    """Hears when to begin and when to stop, and says what the primary must know."""

    def __init__(self, channel: Channel, loop: asyncio.AbstractEventLoop) -> None:
        self._channel = channel
        self._loop = loop
        self._is_ready = False
        self._is_leaving = False
        self.stop_by: float | None = None  # the loop's time; None: not told to stop
        self.hands_back = False  # others take over what we have nothing to finish on
        self.told: asyncio.Future[None] = loop.create_future()  # done at each order, then made anew
        loop.add_reader(channel, self._hear)
        for number in (signal.SIGTERM, signal.SIGINT):
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

    def _hear(self) -> None:
        for message in self._channel.receive():
            match message:
                case Admit():
                    pass  # being told is all
                case Stop(grace, hands_back):
                    self.stop_by = self._loop.time() + grace
                    self.hands_back = hands_back
                case _:
                    raise RemoteError(f"the primary sent {message}")
            if not self.told.done():
                self.told.set_result(None)
        if self._channel.is_ended:
            log.error("primary_died")
            os.killpg(0, signal.SIGKILL)

    def _leave(self) -> None:
        """A signal: the primary's, whose order is then waiting in the channel, or a stranger's."""
        self._hear()
        if self.stop_by is None and not self._is_leaving:
            self._is_leaving = True
            if self._is_ready:
                self.say(Leaving())

    async def until_told(self, *others: "asyncio.Future[None]", by: float | None = None) -> None:
        """Wait for the next order, one of *others*, or the loop's time *by*."""
        if self.told.done():
            self.told = self._loop.create_future()
        timeout = None if by is None else max(0.0, by - self._loop.time())
        await asyncio.wait(
            [self.told, *others], timeout=timeout, return_when=asyncio.FIRST_COMPLETED
        )
