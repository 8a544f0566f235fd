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
    try:
        if is_scarce:
            _require_descriptors(sock)
        head, ancillary, _, _ = sock.recvmsg(_HEAD, _SPACE, _FLAGS)
    except BlockingIOError:
        return None
    descriptors = _among(ancillary)
    if len(head) < _HEAD:  # also the end, which comes while both ends are open where one was shut
        close_all(descriptors)
        raise RemoteError("handed over what is no connection")
    address, sent, is_moved = head
    return Batch(address, sent, descriptors, bool(is_moved))


def _require_descriptors(sock: socket.socket) -> None:
    """Raise OSError where what came with the next message doesn't fit."""
    _, ancillary, told, _ = sock.recvmsg(_HEAD, _SPACE, _FLAGS | socket.MSG_PEEK)
    close_all(_among(ancillary))
    if told & socket.MSG_CTRUNC:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def _among(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    descriptors = array.array("i")
    for _, _, rights in ancillary:
        descriptors.frombytes(rights[: len(rights) - len(rights) % descriptors.itemsize])
    return descriptors.tolist()
