"""A child's standard output and standard error, through pipes to whoever tags their lines."""

import errno
import os
import socket
import sys
from dataclasses import dataclass

import msgspec

from prefork.sink import has_room
from prefork.wire import channel, handover

PATIENCE = 1.0  # seconds until there is room in a tray
_LONGEST = 4096  # bytes of what comes with a pipe


class Origin(msgspec.Struct, frozen=True):
    """Who writes into a pipe, and in the place of which descriptor: 1 or 2."""

    tag: str
    descriptor: int


NOBODY = Origin("", 0)  # comes without a pipe, as the last
_decoder = msgspec.json.Decoder(Origin)


@dataclass(frozen=True, slots=True)
class Tray:
    """A queue of pipes' reading ends, from all children to one process."""

    sending: socket.socket
    receiving: socket.socket  # the primary keeps it open: what waits survives who takes it

    @classmethod
    def open(cls) -> "Tray":
        return cls(*handover.pair())  # not of datagrams: Linux lets ten wait, of these 70

    def put(self, origin: Origin, pipe: int | None = None) -> None:
        """Raises OSError where nobody takes it, or there is no room for too long."""
        if not has_room(self.sending.fileno(), PATIENCE):
            raise BlockingIOError(errno.EAGAIN, "nobody takes what was handed in")
        channel.write(self.sending, [msgspec.json.encode(origin)], [] if pipe is None else [pipe])

    def take(self) -> tuple[Origin, int | None] | None:
        """The next that was handed in, whose pipe may be lost on the way; None: nothing new."""
        try:
            said, descriptors, _ = channel.read(self.receiving, _LONGEST)
        except BlockingIOError:
            return None
        return _decoder.decode(said), descriptors[0] if descriptors else None

    def close(self) -> None:
        """Take nothing any more: whoever has a copy of it by a fork doesn't either."""
        self.receiving.shutdown(socket.SHUT_RDWR)
        self.receiving.close()


@dataclass(frozen=True, slots=True)
class Desk:
    """Where children hand in the reading ends of their pipes: to be read, and to be kept.

    Who reads them may die. The primary keeps each too, so that nobody's writing fails meanwhile,
    and what was written waits for the successor. *stdout* and *stderr* are what they were at the
    start: for logs that are not tagged, and for whoever finds that nobody takes pipes any more.
    """

    tagging: Tray
    keeping: Tray
    stdout: int
    stderr: int

    @classmethod
    def open(cls) -> "Desk":
        return cls(Tray.open(), Tray.open(), os.dup(1), os.dup(2))

    @classmethod
    def of(cls, kept: list[int]) -> "Desk":
        """Make one of what an executed program has of it, which only hands in."""
        *sending, stdout, stderr = kept
        ends = [socket.socket(fileno=each) for each in sending]
        tagging, keeping = (Tray(end, end) for end in ends)
        return cls(tagging, keeping, stdout, stderr)

    @property
    def kept(self) -> list[int]:
        """The descriptors that every child needs of it."""
        sending = [tray.sending.fileno() for tray in (self.tagging, self.keeping)]
        return [*sending, self.stdout, self.stderr]

    def original(self, descriptor: int) -> int:
        return {1: self.stdout, 2: self.stderr}[descriptor]

    def hand_in(self, origin: Origin, pipe: int) -> None:
        """Raises OSError where nobody takes it, or there is no room for too long."""
        self.keeping.put(origin, pipe)  # first: what is read is kept, whoever dies in between
        self.tagging.put(origin, pipe)


def divert(desk: Desk | None, tag: str) -> None:
    """Put pipes in the place of standard output and standard error. Without a desk: nothing."""
    if desk is None:
        return
    for descriptor in (1, 2):
        _divert(desk, Origin(tag, descriptor))
    write_by_line()


def write_by_line() -> None:
    """Have Python write each line at once, as it does to a terminal."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def identity(descriptor: int) -> tuple[int, int]:
    """Device and inode, the same for each duplicate of a pipe's end."""
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _divert(desk: Desk, origin: Origin) -> None:
    """Where nobody takes a pipe, put back what was there at the start: an application must never
    wait for a reader that won't come."""
    reading, writing = os.pipe()
    try:
        desk.hand_in(origin, reading)
        os.dup2(writing, origin.descriptor)
    except OSError:
        os.dup2(desk.original(origin.descriptor), origin.descriptor)
    finally:
        os.close(reading)
        os.close(writing)
