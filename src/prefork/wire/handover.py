"""The hand-over: accepted connections on their way from the primary to one worker, or back.

One message carries up to 253 descriptors, the number of the address that they came to, how many
they are, and whether another worker had them before. The primary keeps a duplicate of the
receiving end, so what a worker has not taken survives it, as does what it has handed back; for the
same reason this pair never tells of a death.
"""

import array
import errno
import os
import socket
import sys
from typing import NamedTuple

from prefork.errors import RemoteError
from prefork.wire.descriptors import close_all

MAX_BATCH = 253  # the kernel's SCM_MAX_FD
_HAS_SEQPACKET = sys.platform == "linux"  # macOS names it, but has none for AF_UNIX
_HEAD = 3  # bytes
_SPACE = socket.CMSG_SPACE(MAX_BATCH * array.array("i").itemsize)
_FLAGS = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_IS_SHUT = frozenset({errno.EPIPE, errno.ECONNRESET})
_BACK_PRESSURE = frozenset({errno.EAGAIN, errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM})


def pair() -> tuple[socket.socket, socket.socket]:
    """Make (sending end, receiving end), both non-blocking."""
    kind = socket.SOCK_SEQPACKET if _HAS_SEQPACKET else socket.SOCK_DGRAM
    sending, receiving = socket.socketpair(socket.AF_UNIX, kind)
    sending.setblocking(False)
    receiving.setblocking(False)
    return sending, receiving


def send(
    sock: socket.socket, address: int, descriptors: list[int], *, is_moved: bool = False
) -> bool:
    """Pass the descriptors, which stay open here. False: no room now, none was passed.

    Raises RemoteError where the peer has shut its end.
    """
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
    try:
        sock.sendmsg([bytes((address, len(descriptors), is_moved))], [rights])
    except OSError as error:
        if error.errno in _BACK_PRESSURE:
            return False
        if error.errno in _IS_SHUT:
            raise RemoteError("shut its hand-over") from None
        raise
    return True


class Batch(NamedTuple):
    """*sent* are the connections that were handed over, *descriptors* those that arrived."""

    address: int
    sent: int
    descriptors: list[int]
    is_moved: bool  # another worker had them before, and answered all that it was asked


def receive(sock: socket.socket, *, is_scarce: bool = False) -> Batch | None:
    """Take one message; None: there is none now. Raises RemoteError where it is none of ours.

    Where this process is out of descriptors the kernel closes what doesn't fit; that is why a
    worker says on the board how many connections it has room for. *is_scarce*: look first whether
    all fits. Raises OSError with EMFILE where it doesn't; the message then stays where it is.
    """
    if is_scarce and (trial := _read(sock, socket.MSG_PEEK)) is not None:
        close_all(trial.descriptors)
        if trial.is_cut:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    if (read := _read(sock)) is None:
        return None
    head, descriptors, _ = read
    if len(head) < _HEAD:  # also the end, which comes while both ends are open where one was shut
        close_all(descriptors)
        raise RemoteError("handed over what is no connection")
    return Batch(head[0], head[1], descriptors, bool(head[2]))


class _Read(NamedTuple):
    head: bytes
    descriptors: list[int]
    is_cut: bool  # there were more


def _read(sock: socket.socket, flags: int = 0) -> _Read | None:
    """Read a message's head and what came with it; None: there is none now."""
    try:
        head, ancillary, told, _ = sock.recvmsg(_HEAD, _SPACE, _FLAGS | flags)
    except BlockingIOError:
        return None
    descriptors = array.array("i")
    for _, _, rights in ancillary:
        descriptors.frombytes(rights[: len(rights) - len(rights) % descriptors.itemsize])
    return _Read(head, list(descriptors), bool(told & socket.MSG_CTRUNC))
