"""Listening sockets that somebody else opened, and that this process was born with."""

import errno
import os
import socket

from prefork.errors import AddressError
from prefork.wire import stream

_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
_NONE = (errno.EBADF, errno.ENOTSOCK)  # what wasn't open may be a pipe of ours meanwhile


def adopt(descriptor: int) -> socket.socket:
    """Take it as it is, with its own backlog, without blocking; what the application executes
    doesn't get it. Raises AddressError, and leaves it alone, where nobody could connect to it."""
    try:
        probe = socket.socket(fileno=descriptor)
    except OSError as error:
        reason = error.strerror or str(error)
        raise _unfit(descriptor, "no socket" if error.errno in _NONE else reason) from None
    family, wrong = probe.family, _wrong(probe)
    probe.detach()
    if wrong:
        raise _unfit(descriptor, wrong)
    os.set_inheritable(descriptor, False)
    return stream.adopt(descriptor, family)


def _wrong(probe: socket.socket) -> str | None:
    if probe.family not in _FAMILIES:
        return "neither of IPv4, nor of IPv6, nor a Unix socket"
    if probe.type != socket.SOCK_STREAM:
        return "not a stream socket"
    if not probe.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return "not listening"
    return None


def _unfit(descriptor: int, reason: str) -> AddressError:
    return AddressError(
        f"cannot take fd://{descriptor}: it is {reason}; who starts prefork opens it, see --bind"
    )
