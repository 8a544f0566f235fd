"""One client of the control socket: what it said, what it waits for, what it has yet to read."""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from prefork.control import protocol
from prefork.control.progress import told
from prefork.core.orders import ReloadState, ReloadStatus
from prefork.errors import RemoteError
from prefork.wire.channel import write


class Connection:
    """The primary's end: what is said waits in the outbox until the kernel takes it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.waits_for_end = False  # of the instance
        self.dumps = 0  # that it waits for
        self.push: Callable[[], None] = self.flush  # what was said without being asked just now
        self._reloads: set[int] = set()  # generations whose reloads it waits for
        self._heard = bytearray()
        self._outbox = bytearray()
        self._lent: list[int] = []  # descriptors that go with what is sent next

    @property
    def is_waiting(self) -> bool:
        """Whether it was promised to be told of something."""
        return self.waits_for_end or bool(self._reloads) or self.dumps > 0

    @property
    def has_unread(self) -> bool:
        """Whether it lets answers lie: then nothing more is read from it."""
        return bool(self._outbox)

    def lines(self) -> Iterator[bytes]:
        """Read what has come. Raises RemoteError, or OSError, where nothing more will."""
        try:
            data = self.sock.recv(protocol.MAX_LINE)
        except BlockingIOError:
            return
        if not data:
            raise RemoteError("the client is done")
        self._heard += data
        while (end := self._heard.find(b"\n")) >= 0:
            line = bytes(self._heard[:end])
            del self._heard[: end + 1]
            yield line
        if len(self._heard) > protocol.MAX_LINE:
            raise RemoteError("a line without an end")

    def say(self, result: dict[str, Any]) -> None:
        self._outbox += protocol.encode_result(result)

    def lend(self, result: dict[str, Any], descriptor: int) -> None:
        """Say it, and send a descriptor with it; that must stay open."""
        self.say(result)
        self._lent.append(descriptor)

    def refuse(self, reason: str) -> None:
        self._outbox += protocol.encode_error(reason)

    def wait_for_reload(self, generation: int) -> None:
        self._reloads.add(generation)

    def tell(self, status: ReloadStatus) -> None:
        """Say how a reload that it waits for goes on."""
        if status.generation in self._reloads:
            self.say(told(status))
            if status.state is not ReloadState.RUNNING:
                self._reloads.remove(status.generation)

    def part(self, exit_code: int) -> None:
        """Say that the instance has ended, if that ends a wait."""
        if self.is_waiting:
            self.say({"state": "stopped", "exit_code": int(exit_code)})

    def flush(self) -> None:
        """Write what the kernel takes. Raises OSError when the client is gone."""
        with suppress(BlockingIOError):
            while self._outbox:
                sent = write(self.sock, [self._outbox], self._lent)
                self._lent.clear()
                del self._outbox[:sent]
