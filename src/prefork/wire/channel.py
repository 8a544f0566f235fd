"""A channel: messages both ways between two processes, with descriptors, never waiting."""

import array
import errno
import os
import socket
from collections import deque
from collections.abc import Sequence
from itertools import count
from typing import TypeAlias

from prefork.errors import RemoteError
from prefork.wire import frames, messages
from prefork.wire.descriptors import close_all

MAX_OUTBOX = 256 * 1024  # bytes; a peer that doesn't read for that long is broken
_READ = 64 * 1024
_PORTION = 4  # reads: as much as MAX_OUTBOX, and more than the kernel keeps of one peer's
BACK_PRESSURE = frozenset({errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM})
_FLAGS = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_MAX_FDS = 253  # with one read: the kernel's SCM_MAX_FD, and it never joins two messages'
_SPACE = socket.CMSG_SPACE(_MAX_FDS * array.array("i").itemsize)

Buffer: TypeAlias = bytes | bytearray | memoryview


def pair() -> tuple[socket.socket, socket.socket]:
    """Make two connected ends: streams, whose end of file tells of a death on every system."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)


class Channel:
    """One end. It owns its socket, the descriptors given to `send`, and those not yet claimed."""

    def __init__(self, sock: socket.socket, *, is_trusted: bool = True) -> None:
        """*is_trusted*: else the peer may send no descriptors, and is read a portion at a time."""
        sock.setblocking(False)
        self._is_trusted = is_trusted
        self._sock = sock
        self._decoder = frames.Decoder()
        self._outbox: deque[tuple[bytes, list[int]]] = deque()
        self._descriptors: deque[list[int] | None] = deque()  # by message; None: they were lost
        self.is_ended = False  # the other end is closed, and all it said was read

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def has_unsent(self) -> bool:
        return bool(self._outbox)

    def send(self, message: messages.Message, descriptors: list[int] | None = None) -> None:
        """Queue and flush. Raises RemoteError when the peer has not read for too long.

        Raises OSError where the kernel has too many descriptors on their way; it is not sent then.
        """
        self._outbox.append((frames.encode(messages.encode(message)), descriptors or []))
        try:
            self._write()
        except OSError:
            if descriptors and len(self._outbox) == 1:
                self._drop_outbox()
                raise
        if sum(len(data) for data, _ in self._outbox) > MAX_OUTBOX:
            raise RemoteError("does not read its channel")

    def flush(self) -> bool:
        """Write what the kernel takes now; True when nothing is left."""
        try:
            return self._write()
        except OSError:
            return False

    def _write(self) -> bool:
        """Do so. Raises OSError where too many descriptors are on their way."""
        while self._outbox:
            data, descriptors = self._outbox[0]
            try:
                sent = write(self._sock, [data], descriptors)
            except BlockingIOError:
                return False
            except OSError as error:
                if error.errno in BACK_PRESSURE:
                    raise
                # The peer is gone; its exit is told elsewhere.
                self._drop_outbox()
                return True
            close_all(descriptors)
            if sent == len(data):
                self._outbox.popleft()
            else:
                self._outbox[0] = (data[sent:], [])
        return True

    def receive(self) -> list[messages.ToPrimary | messages.FromPrimary]:
        """Read all that is there, or a portion. Raises RemoteError on what is no message of ours.

        Whoever writes as fast as we read would have a thread that many others wait for.
        """
        said: list[messages.ToPrimary | messages.FromPrimary] = []
        for _ in count() if self._is_trusted else range(_PORTION):
            if self.is_ended:
                break
            try:
                data, descriptors, is_cut = read(self._sock, _READ, _SPACE * self._is_trusted)
            except BlockingIOError:
                break
            if is_cut and not self._is_trusted:  # the kernel has dropped them
                raise RemoteError("sent descriptors, which nobody takes from it")
            if is_cut:  # what no number was free for is lost; the message is not
                close_all(descriptors)
                self._descriptors.append(None)
            elif descriptors:
                self._descriptors.append(descriptors)
            if not data:
                self.is_ended = True
            said += [messages.decode(payload) for payload in self._decoder.feed(data)]
        return said

    def claim(self, count: int) -> list[int]:
        """Take the descriptors that came with the oldest message that carries any.

        Raises OSError with EMFILE where they were lost, for this process had no room for them.
        """
        found = self._descriptors.popleft() if self._descriptors else []
        if found is None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        if len(found) != count:
            close_all(found)
            raise RemoteError("a message came without its descriptors")
        return found

    def close(self) -> None:
        self._drop_outbox()
        for received in self._descriptors:
            close_all(received or [])
        self._descriptors.clear()
        self._sock.close()

    def _drop_outbox(self) -> None:
        for _, descriptors in self._outbox:
            close_all(descriptors)
        self._outbox.clear()


def write(sock: socket.socket, data: Sequence[Buffer], descriptors: list[int]) -> int:
    """Write what the kernel takes now; descriptors go with the first byte. Raises OSError."""
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
    return sock.sendmsg(data, [rights] if descriptors else [])


def read(sock: socket.socket, size: int, space: int = _SPACE) -> tuple[bytes, list[int], bool]:
    """Read once: (bytes, the descriptors with them, whether there were more); no bytes: the end.

    *space*: bytes for what tells of the descriptors; 0: none is received.

    Not `socket.recv_fds`, which forgets the flags: what it receives is inherited by every program
    that is started here. Raises BlockingIOError where there is nothing now, TimeoutError
    after the socket's timeout.
    """
    try:
        data, ancillary, flags, _ = sock.recvmsg(size, space, _FLAGS)
    except (BlockingIOError, TimeoutError):
        raise
    except OSError:  # ECONNRESET: closed with our words unread
        return b"", [], False
    descriptors = array.array("i")
    for _, _, rights in ancillary:
        descriptors.frombytes(rights[: len(rights) - len(rights) % descriptors.itemsize])
    return data, list(descriptors), bool(flags & socket.MSG_CTRUNC)
