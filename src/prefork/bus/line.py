"""A worker's end of the stream to the hub, in its event loop."""

import asyncio
import socket
from collections.abc import Callable

from prefork.bus import envelope
from prefork.bus.envelope import Frame, Gatherer

READ = 256 * 1024  # bytes in one turn of the loop


class Line:
    """It owns its socket. *hear*: gets each frame. *lose*: is told of the end."""

    def __init__(
        self,
        sock: socket.socket,
        loop: asyncio.AbstractEventLoop,
        hear: Callable[[Frame], None],
        lose: Callable[[], None],
    ) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._loop = loop
        self._hear = hear
        self._lose = lose
        self._gatherer = Gatherer()
        self._unsent = bytearray()
        loop.add_reader(sock, self._read)

    def write(self, data: bytes) -> None:
        is_waiting = bool(self._unsent)
        self._unsent += data
        if not is_waiting and not self._flush():
            self._loop.add_writer(self._sock, self._resume)

    def close(self) -> None:
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()

    def _read(self) -> None:
        try:
            data = self._sock.recv(READ)
        except BlockingIOError:
            return
        except OSError:  # ECONNRESET: it died with our words unread
            data = b""
        if not data:
            self.close()
            self._lose()
            return
        for frame in envelope.frames(self._gatherer.feed(data)):
            self._hear(frame)

    def _resume(self) -> None:
        if self._flush():
            self._loop.remove_writer(self._sock)

    def _flush(self) -> bool:
        """Write what the kernel takes; whether nothing is left, or nobody will read it."""
        try:
            while self._unsent:
                del self._unsent[: self._sock.send(self._unsent)]
        except BlockingIOError:
            return False
        except OSError:  # EPIPE: the end is read too, and what is not acknowledged is said again
            self._unsent.clear()
        return True
