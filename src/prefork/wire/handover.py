"""The hand-over: accepted connections on their way from the primary to one worker.

One message carries up to 253 descriptors, the number of the address that they came to, and how
many they are. The primary keeps a duplicate of the receiving end, so what a worker has not taken
survives it; for the same reason this pair never tells of a death.
"""

import array
import errno
import os
import socket
import sys
from typing import NamedTuple

MAX_BATCH = 253  # the kernel's SCM_MAX_FD
_HAS_SEQPACKET = sys.platform == "linux"  # macOS names it, but has none for AF_UNIX
_SPACE = socket.CMSG_SPACE(MAX_BATCH * array.array("i").itemsize)
_FLAGS = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_BACK_PRESSURE = frozenset({errno.EAGAIN, errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM})


def pair() -> tuple[socket.socket, socket.socket]:
    """Make (sending end, receiving end), both non-blocking."""
    kind = socket.SOCK_SEQPACKET if _HAS_SEQPACKET else socket.SOCK_DGRAM
    sending, receiving = socket.socketpair(socket.AF_UNIX, kind)
    sending.setblocking(False)
    receiving.setblocking(False)
    return sending, receiving


def send(sock: socket.socket, address: int, descriptors: list[int]) -> bool:
    """Pass the descriptors, which stay open here. False: no room now, none was passed."""
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
    try:
        sock.sendmsg([bytes((address, len(descriptors)))], [rights])
    except OSError as error:
        if error.errno in _BACK_PRESSURE:
            return False
        raise
    return True


class Batch(NamedTuple):
    """*sent* are the connections that were handed over, *descriptors* those that arrived."""

    address: int
    sent: int
    descriptors: list[int]


def receive(sock: socket.socket, *, is_scarce: bool = False) -> Batch | None:
    """Take one message; None: there is none now.

    Where this process is out of descriptors the kernel closes what doesn't fit; that is why a
    worker says on the board how many connections it has room for. *is_scarce*: look first whether
    all fits. Raises OSError with EMFILE where it doesn't; the message then stays where it is.
    """
    if is_scarce:
        trial = _read(sock, socket.MSG_PEEK)
        if trial is not None:
            for each in trial.descriptors:
                os.close(each)
            if len(trial.descriptors) < trial.sent:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return _read(sock)


def _read(sock: socket.socket, flags: int = 0) -> Batch | None:
    try:
        data, ancillary, _, _ = sock.recvmsg(2, _SPACE, _FLAGS | flags)
    except BlockingIOError:
        return None
    if not data:
        return None
    descriptors = array.array("i")
    for _, _, rights in ancillary:
        descriptors.frombytes(rights[: len(rights) - len(rights) % descriptors.itemsize])
    return Batch(data[0], data[1], list(descriptors))
