"""The hand-over: accepted connections on their way from the primary to one worker.

One message carries up to 253 descriptors and one byte, the number of the listener that they came
from. The primary keeps a duplicate of the receiving end, so what a worker has not taken survives
it; for the same reason this pair never tells of a death.
"""

import array
import errno
import socket
import sys

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


def send(sock: socket.socket, listener: int, descriptors: list[int]) -> bool:
    """Pass the descriptors, which stay open here. False: no room now, none was passed."""
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
    try:
        sock.sendmsg([bytes((listener,))], [rights])
    except OSError as error:
        if error.errno in _BACK_PRESSURE:
            return False
        raise
    return True


def receive(sock: socket.socket) -> tuple[int, list[int]] | None:
    """Take one message: the listener's number and the descriptors. None: there is none now.

    Where this process is out of descriptors the kernel closes what doesn't fit; that is why a
    worker says on the board how many it has room for.
    """
    try:
        data, ancillary, _, _ = sock.recvmsg(1, _SPACE, _FLAGS)
    except BlockingIOError:
        return None
    if not data:
        return None
    descriptors = array.array("i")
    for _, _, rights in ancillary:
        descriptors.frombytes(rights[: len(rights) - len(rights) % descriptors.itemsize])
    return data[0], list(descriptors)
