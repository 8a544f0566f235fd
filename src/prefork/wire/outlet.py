"""A child's standard output and standard error, through pipes to whoever tags their lines."""

import array
import errno
import os
import socket
import sys
from dataclasses import dataclass

import msgspec

from prefork.sink import has_room

PATIENCE = 1.0  # seconds until there is room on the desk
_LONGEST = 4096  # bytes of what comes with a pipe


class Origin(msgspec.Struct, frozen=True):
    """Who writes into a pipe, and in the place of which descriptor: 1 or 2."""

    tag: str
    descriptor: int


NOBODY = Origin("", 0)  # comes without a pipe, as the last
_decoder = msgspec.json.Decoder(Origin)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where children hand in the reading ends of their pipes, and where those are taken.

    *stdout* and *stderr* are what they were at the start: for logs that are not tagged, and for
    whoever finds that nobody takes pipes any more.
    """

    sending: socket.socket
    receiving: socket.socket  # the primary keeps it open: what waits survives who takes it
    stdout: int
    stderr: int

    @classmethod
    def open(cls) -> "Desk":
        sending, receiving = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for each in (sending, receiving):
            each.setblocking(False)
        return cls(sending, receiving, os.dup(1), os.dup(2))

    @property
    def kept(self) -> list[int]:
        """The descriptors that every child needs of it."""
        return [self.sending.fileno(), self.stdout, self.stderr]

    def original(self, descriptor: int) -> int:
        return {1: self.stdout, 2: self.stderr}[descriptor]

    def hand_in(self, origin: Origin, pipe: int | None = None) -> None:
        """Raises OSError where nobody takes it, or there is no room for too long."""
        if not has_room(self.sending.fileno(), PATIENCE):
            raise BlockingIOError(errno.EAGAIN, "nobody takes what was handed in")
        rights = [] if pipe is None else [array.array("i", [pipe])]
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, each) for each in rights]
        self.sending.sendmsg([msgspec.json.encode(origin)], ancillary)

    def take(self) -> tuple[Origin, int | None] | None:
        """The next that was handed in, whose pipe may be lost on the way; None: nothing new."""
        try:
            said, descriptors, _, _ = socket.recv_fds(self.receiving, _LONGEST, 1)
        except BlockingIOError:
            return None
        return _decoder.decode(said), descriptors[0] if descriptors else None


class Outlet:
    """This process's side. Without a desk it does nothing."""

    def __init__(self, desk: Desk | None, tag: str) -> None:
        self._desk = desk
        self._tag = tag
        self._pipes: dict[int, tuple[int, int] | None] = {}  # by descriptor: which is there
        self.piped: list[int] = []  # what fails when nobody reads any more, so that `mend` is due

    def open(self) -> None:
        """Put pipes in the place of standard output and standard error."""
        if self._desk is None:
            return
        self.piped = [descriptor for descriptor in (1, 2) if self._replace(descriptor)]
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]

    def mend(self, descriptor: int) -> bool:
        """Replace a pipe that nobody reads any more. Returns whether it is one of ours again.

        The application may have closed it, and opened something else: that is left alone.
        """
        return self._pipes.get(descriptor) == _identity(descriptor) and self._replace(descriptor)

    def _replace(self, descriptor: int) -> bool:
        """Put a new pipe in its place; where nobody takes it, what was there at the start: an
        application must never wait for a reader that won't come."""
        assert self._desk is not None
        try:
            self._connect(self._desk, descriptor)
        except OSError:
            os.dup2(self._desk.original(descriptor), descriptor)
            return False
        return True

    def _connect(self, desk: Desk, descriptor: int) -> None:
        reading, writing = os.pipe()
        try:
            desk.hand_in(Origin(self._tag, descriptor), reading)
            os.dup2(writing, descriptor)
            self._pipes[descriptor] = _identity(writing)
        finally:
            os.close(reading)
            os.close(writing)


def _identity(descriptor: int) -> tuple[int, int] | None:
    """Device and inode of what is open there; None: nothing is."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino
