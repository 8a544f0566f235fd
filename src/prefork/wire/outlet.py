"""A child's standard output and standard error, through pipes to whoever tags their lines."""

import array
import errno
import fcntl
import os
import select
import socket
import stat
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from prefork import log
from prefork.errors import RemoteError
from prefork.sink import has_room
from prefork.wire import channel, handover
from prefork.wire.complaint import Complaint
from prefork.wire.descriptors import close_all

PATIENCE = 1.0  # seconds until there is room in a tray
_LONGEST = 256  # bytes of what comes with a pipe
_SPACE = socket.CMSG_SPACE(array.array("i").itemsize)  # the kernel closes what doesn't fit
_IS_SHUT = select.POLLHUP | getattr(select, "POLLRDHUP", 0)
_UNREADABLE = os.O_ACCMODE | getattr(os, "O_PATH", 0)
_Tag = Annotated[str, msgspec.Meta(pattern=r"\A[a-z_]{0,20}[0-9]{0,20}\Z")]


class Origin(msgspec.Struct, frozen=True):
    """Who writes into a pipe, and in the place of which descriptor: 1 or 2."""

    tag: _Tag
    descriptor: Literal[0, 1, 2]


NOBODY = Origin("", 0)  # comes without a pipe, as the last
_decoder = msgspec.json.Decoder(Origin)
_garbage = Complaint("output_garbage")


@dataclass(frozen=True, slots=True)
class Tray:
    """A queue of pipes' reading ends, from all children to one process.

    All share the sending end, so that nobody knows who sent what is no message of ours: it is
    dropped and told, and costs whoever takes nothing.
    """

    sending: socket.socket
    receiving: socket.socket  # the primary keeps it open: what waits survives who takes it

    @classmethod
    def open(cls) -> "Tray":
        return cls(*handover.pair())  # not of datagrams: Linux lets ten wait, of these 70

    def put(self, origin: Origin, pipe: int | None = None) -> None:
        """Raises OSError where nobody takes it, or there is no room for too long."""
        if not has_room(self.sending.fileno(), PATIENCE):
            raise BlockingIOError(errno.EAGAIN, "nobody takes what was handed in")
        rights = (
            socket.SOL_SOCKET,
            socket.SCM_RIGHTS,
            array.array("i", [] if pipe is None else [pipe]),
        )
        # O_NONBLOCK alone is not enough: whoever shares the end may have taken it away.
        self.sending.sendmsg([msgspec.json.encode(origin)], [rights], socket.MSG_DONTWAIT)

    def take(self) -> tuple[Origin, int | None] | None:
        """The next that was handed in; None: nothing new. Its pipe is None where it was lost.

        Raises RemoteError for what is no message of ours, BrokenPipeError where nothing comes any
        more: a child has shut the end that all share.
        """
        try:
            said, descriptors, is_cut = channel.read(self.receiving, _LONGEST, _SPACE)
        except BlockingIOError:
            return None
        if not said and self._is_shut():
            raise BrokenPipeError(errno.EPIPE, "a child has shut the socket that all share")
        try:
            origin = _origin(said, descriptors, is_cut=is_cut)
        except RemoteError:
            close_all(descriptors)
            raise
        return origin, descriptors[0] if descriptors else None

    def take_some(self, most: int) -> Iterator[tuple[Origin, int | None]]:
        """What was handed in, as `take` returns it, out of *most* messages.

        Tells of what is none of ours. Raises BrokenPipeError where nothing comes any more.
        """
        for _ in range(most):
            try:
                taken = self.take()
            except RemoteError as error:
                _garbage.tell(time.monotonic(), reason=str(error))
                continue
            if taken is None:
                return
            yield taken

    def _is_shut(self) -> bool:
        poll = select.poll()
        poll.register(self.receiving, _IS_SHUT)
        return any(seen & _IS_SHUT for _, seen in poll.poll(0))

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


def _origin(said: bytes, descriptors: list[int], *, is_cut: bool) -> Origin:
    """Raises RemoteError where it is none, or came with anything but one pipe that can be read."""
    try:
        origin = _decoder.decode(said)
    except ValueError:  # msgspec's errors are, and bytes that are no UTF-8
        raise RemoteError("not a message of ours") from None
    has_pipe = origin != NOBODY
    if has_pipe and origin.descriptor == 0:
        raise RemoteError("a pipe in the place of no output")
    is_lost = has_pipe and is_cut and not descriptors  # no number was free for it
    if not is_lost and (is_cut or len(descriptors) != has_pipe):
        raise RemoteError(f"{len(descriptors)} descriptors or more, where {has_pipe:d} belongs")
    if not all(_is_readable_pipe(each) for each in descriptors):
        raise RemoteError("a descriptor that is no pipe to read from")
    return origin


def _is_readable_pipe(descriptor: int) -> bool:
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    return flags & _UNREADABLE == os.O_RDONLY and stat.S_ISFIFO(os.fstat(descriptor).st_mode)


def _divert(desk: Desk, origin: Origin) -> None:
    """Where nobody takes a pipe, put back what was there at the start: an application must never
    wait for a reader that won't come."""
    reading, writing = os.pipe()
    try:
        desk.hand_in(origin, reading)
        os.dup2(writing, origin.descriptor)
    except OSError as error:
        if isinstance(error, BlockingIOError):  # else it was told why nobody takes them any more
            log.warning(
                "output_untagged", who=origin.tag, stream=origin.descriptor, reason=error.strerror
            )
        os.dup2(desk.original(origin.descriptor), origin.descriptor)
    finally:
        os.close(reading)
        os.close(writing)
