"""A script as a guest of the program that runs its pool, from that's start to its exit."""

import asyncio
import os
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

from prefork.cluster import command
from prefork.errors import AddressError, AppError, PreforkError, RemoteError, SettingsError
from prefork.pool.errors import RemoteError as RaisedThere
from prefork.pool.terms import Lines
from prefork.settings.schema import Settings
from prefork.wire import channel, invitation
from prefork.wire.board import Board
from prefork.wire.channel import Channel
from prefork.wire.estate import Main
from prefork.wire.messages import (
    Failed,
    Leaving,
    Message,
    PoolExit,
    PoolLine,
    Tickets,
    Welcome,
)

PROGRAM = "prefork.boot.annex"  # never imported here
PATIENCE = 2.0  # seconds; by then a program that still turns has killed what would not end
NEWS: TypeAlias = Tickets | PoolLine | PoolExit


class Visit:
    """Of one pool. The channel ends, on either side, only with the process that has it."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        end: socket.socket,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._process = process
        self._loop = loop
        self._end = end
        self._channel = Channel(end)
        self._welcome: asyncio.Future[Welcome] = loop.create_future()
        self.id = 0  # ours, among the workers of the pool's instance; once we are welcome
        self.lines = Lines(memoryview(b""), lambda _: memoryview(b""))  # of its board
        self.control = ""  # its control socket
        self.failure: PreforkError | None = None  # why it ended, where nobody stopped it
        self.ended = asyncio.Event()  # the program has exited
        self.heard: Callable[[NEWS, Channel], None] | None = None
        loop.add_reader(end, self._hear)

    @classmethod
    def begin(cls, settings: Settings, main: Main) -> "Visit":
        """Start the program. Raises AppError where the system refuses that.

        It has a process group of its own, so that Ctrl-C comes to the script alone.
        """
        ours, theirs = channel.pair()
        with theirs:
            try:
                process = _started(theirs.fileno(), settings, main)
            except BaseException as error:
                ours.close()
                if isinstance(error, OSError):
                    raise AppError(f"the pool did not start: {error.strerror}") from error
                raise
        return cls(process, ours, asyncio.get_running_loop())

    async def welcomed(self) -> Welcome:
        """Wait until the pool is up.

        Raises AppError where it can't be, for an import or an initializer that fails, with the
        traceback as its cause; AddressError and SettingsError.
        """
        return await self._welcome

    def say(self, message: Message) -> None:
        if self.ended.is_set():
            return
        self._channel.send(message)
        if not self._channel.flush():
            self._loop.add_writer(self._end, self._flush)

    async def leave(self, grace: float) -> None:
        """Let the pool stop, and wait until it has; after *grace* seconds, end it at once."""
        self.say(Leaving())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self.ended.wait()
        finally:  # also where we are cancelled
            await self.break_off()

    async def break_off(self) -> None:
        """End the pool at once, and wait until it has.

        A program that doesn't turn, being stopped, is killed; so it is where we are cancelled
        meanwhile.
        """
        if self.ended.is_set():
            return
        self._end.shutdown(socket.SHUT_WR)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self.ended.wait()
        finally:
            if not self.ended.is_set():
                self._process.kill()  # all that it has forked ends with it
        await self.ended.wait()

    # -- hearing -------------------------------------------------------------

    def _flush(self) -> None:
        if self._channel.flush():
            self._loop.remove_writer(self._end)

    def _hear(self) -> None:
        for message in self._channel.receive():
            match message:
                case Welcome():
                    self._settle(message, *self._channel.claim(1))
                case Failed():
                    self.failure = _failure(message)
                case Tickets() | PoolLine() | PoolExit() if self.heard is not None:
                    self.heard(message, self._channel)
                case _:
                    raise RemoteError(f"the pool's program sent {message}")
        if self._channel.is_ended:
            self._note_end()

    def _settle(self, welcome: Welcome, descriptor: int) -> None:
        board = Board.of(descriptor)
        self.id, self.lines = welcome.id, Lines(board.line(welcome.line), board.line)
        self.control = welcome.control
        board.close()
        if not self._welcome.done():  # else nobody waits for it any more
            self._welcome.set_result(welcome)

    def _note_end(self) -> None:
        """The channel is among the last things that an exiting process lets go of."""
        self._loop.remove_reader(self._end)
        self._loop.remove_writer(self._end)
        self._channel.close()
        status = self._process.wait()
        why = f"its program ended with {status}"
        if not self._welcome.done():
            self._welcome.set_exception(self.failure or AppError(f"the pool did not start: {why}"))
        elif status and self.failure is None:
            self.failure = AppError(f"the pool has ended: {why}")
        self.ended.set()


def _started(end: int, settings: Settings, main: Main) -> "subprocess.Popen[bytes]":
    invited = invitation.write(end, settings, main)
    try:
        return subprocess.Popen(
            [*command.interpreter(), "-P", "-m", PROGRAM],
            stdin=invited,
            pass_fds=[end],
            process_group=0,
        )
    finally:
        os.close(invited)


def _failure(message: Failed) -> PreforkError:
    match message.stage:
        case "address":
            return AddressError(message.reason)
        case "settings":
            return SettingsError(message.reason)
        case _:
            error = AppError(message.reason, message.detail)
            if message.detail:
                error.__cause__ = RaisedThere("it was raised in the pool", message.detail)
            return error
