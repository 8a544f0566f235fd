"""A line between a worker and a pool process: frames both ways, large parcels by descriptor."""

import array
import errno
import socket
from collections import deque
from collections.abc import Sequence
from struct import Struct

import msgspec

from prefork.errors import RemoteError
from prefork.pool import codec
from prefork.pool.codec import EMPTY, File, Parcel
from prefork.wire.channel import BACK_PRESSURE, write


class Kind:
    """What a frame says. No enum: to find a member of one costs 0.1 µs."""

    # To a pool process:
    RUN = 1  # a call
    NEXT = 14  # one that came right after an answer: one more is likely to
    STREAM = 2  # a call of a generator function
    CANCEL = 3  # make that task end
    GO_ON = 4  # offer yourself again: nobody wants you dead for the task that you were to cancel
    TOOK = 5  # *ticket* more items of the stream were read
    PASS = 6  # I don't need you, by *ticket*
    # To a worker; an answer may have a ticket, and is an offer too:
    OFFER = 7  # I am yours, by *ticket*
    BOUNCED = 8  # not begun: the ticket was not mine any more
    RESULT = 9
    ERROR = 10
    CANCELLED = 11
    ITEM = 12
    BEGUN = 13  # a call that came without a ticket


CALLS = (Kind.RUN, Kind.NEXT, Kind.STREAM)
ANSWERS = (Kind.RESULT, Kind.ERROR, Kind.CANCELLED)
TICKET = Struct("=QQ")  # in the pipe: the id of an idle process, and the number of its offer
_HEAD = Struct("=IHBxQQQ")  # inline bytes, pieces in the file, kind; number, ticket, at
_SIZE = Struct("=Q")
_READ = 32 * 1024  # bytes; more would be mapped and unmapped by malloc for every read
_SPACE = socket.CMSG_SPACE(4 * array.array("i").itemsize)
_FLAGS = int(getattr(socket, "MSG_CMSG_CLOEXEC", 0))
SHORTLY = 0.01  # seconds, after which the kernel may have room again where a line is short of it
_LATER = BACK_PRESSURE | {errno.EAGAIN}
_TRUNCATED = int(socket.MSG_CTRUNC)


class Frame(msgspec.Struct, frozen=True):
    """*number*: of the task. *at*: when it was submitted, by time.monotonic_ns()."""

    kind: int
    number: int
    ticket: int
    at: int
    parcel: Parcel


class Line:
    """One end. It owns its socket, and what has not been sent or read yet."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.is_ended = False  # the other end is closed, and all it said was read
        self._is_dry = False  # at the last read there was nothing
        self._partial = b""  # of a frame that is not whole yet
        self._files: deque[File] = deque()
        self.unsent: deque[tuple[memoryview, File | None]] = deque()
        self.is_short = False  # the kernel has too much on its way: no sign tells when that is over

    def fileno(self) -> int:
        return self.sock.fileno()

    def send(
        self,
        kind: int,
        number: int = 0,
        *,
        ticket: int = 0,
        at: int = 0,
        parcel: Parcel = EMPTY,
    ) -> None:
        """Send a frame, now or when there is room; none to an end that is gone.

        Raises OSError where a large parcel, that is in no file yet, finds no memory for one.
        """
        if parcel.is_large:
            parcel = codec.filed(parcel)
        inline, file = parcel.body, parcel.file
        if file is not None:
            inline = b"".join(map(_SIZE.pack, parcel.sizes))
        data = _HEAD.pack(len(inline), len(parcel.sizes), kind, number, ticket, at) + inline
        if file is not None or self.unsent:
            self.unsent.append((memoryview(data), file))
            self.flush()
            return
        try:
            sent = self.sock.send(data)
        except OSError as error:
            if error.errno not in _LATER:
                return  # the other end has gone, which whoever reads will see
            sent = 0
        if sent < len(data):
            self.unsent.append((memoryview(data)[sent:], None))

    def flush(self) -> bool:
        """Write what the kernel takes now; True when nothing is left."""
        while self.unsent:
            data, file = self.unsent[0]
            try:
                sent = write(self.sock, [data], [] if file is None else [file.descriptor])
            except OSError as error:
                self.is_short = error.errno in BACK_PRESSURE
                if error.errno in _LATER:
                    return False
                self.unsent.clear()
                return True
            self.is_short = False
            self.unsent[0] = (data[sent:], None)
            if sent == len(data):
                self.unsent.popleft()
        return True

    def receive(self) -> list[Frame]:
        """Read once, and return the frames that are whole. Raises RemoteError for what is none."""
        try:
            data, ancillary, flags, _ = self.sock.recvmsg(_READ, _SPACE, _FLAGS)
        except BlockingIOError:
            self._is_dry = True
            return []
        except OSError:  # ECONNRESET: closed with our words unread
            data, ancillary, flags = b"", [], 0
        if ancillary:
            self._keep(ancillary)
        if flags & _TRUNCATED:
            raise RemoteError("a parcel was lost: too many descriptors are open")
        if not data:
            self.is_ended = True
        return self._cut(self._partial + data if self._partial else data)

    def drain(self) -> list[Frame]:
        """Read all that is there."""
        frames: list[Frame] = []
        self._is_dry = False
        while not self.is_ended and not self._is_dry:
            frames += self.receive()
        return frames

    def _cut(self, data: bytes) -> list[Frame]:
        frames, start, end = [], 0, len(data)
        while end - start >= _HEAD.size:
            size, pieces, kind, number, ticket, at = _HEAD.unpack_from(data, start)
            body = start + _HEAD.size
            start = body + size
            if start > end:
                start = body - _HEAD.size
                break
            parcel = EMPTY
            if pieces:
                parcel = self._filed(data[body:start])
            elif size:
                parcel = Parcel(data[body:start])
            frames.append(Frame(kind, number, ticket, at, parcel))
        self._partial = data[start:] if start < end else b""
        return frames

    def _filed(self, table: bytes) -> Parcel:
        if not self._files:
            raise RemoteError("a parcel came without its descriptor")
        sizes = [size for (size,) in _SIZE.iter_unpack(table)]
        return Parcel(file=self._files.popleft(), sizes=sizes)

    def _keep(self, ancillary: Sequence[tuple[int, int, bytes]]) -> None:
        for _, _, rights in ancillary:
            descriptors = array.array("i")
            descriptors.frombytes(rights[: len(rights) - len(rights) % descriptors.itemsize])
            self._files.extend(map(File, descriptors))

    def close(self) -> None:
        self.unsent.clear()
        self._files.clear()
        self.sock.close()
