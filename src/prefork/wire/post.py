"""The post: a line for what users' code says to another process, which never waits."""

import errno
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from prefork.errors import RemoteError
from prefork.wire import channel, letters
from prefork.wire.complaint import Complaint
from prefork.wire.descriptors import Descriptor, close_all, duplicates
from prefork.wire.letters import MAX_PAYLOAD, Letter, Sorter

LONGEST_REASON = 2000  # characters
READ = 64 * 1024  # bytes taken from a line in a turn
BACKLOG = 1024 * 1024  # bytes unsent, above which the sender is asked to wait
SMALL = 16 * 1024  # bytes
MOST_UNSENT = 16 * 1024 * 1024  # bytes, above which nothing more is taken
# What waits counts for more than its bytes, or a peer that doesn't read could cost us a million
# small objects, or all our descriptors.
LETTER = 256  # bytes for each
DESCRIPTOR = 16 * 1024  # bytes for each
_SHORT = frozenset({errno.ENOBUFS, errno.ENOMEM})  # the kernel's memory; it may come back

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder()


def encode(value: object) -> bytes:
    """Encode a user's value: what JSON knows, bytes, dates, dataclasses and more of msgpack's.

    Raises TypeError or ValueError, which names what can't be sent.
    """
    try:
        payload = _encoder.encode(value)
    except RecursionError:
        raise ValueError("the message contains itself, or is nested too deeply") from None
    except OverflowError as error:
        raise ValueError(f"the message can't be sent: {error}") from None
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"the message can't be sent: {error}") from None
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a message holds at most {MAX_PAYLOAD} bytes, and this is {len(payload)}")
    return payload


def decode(payload: bytes | bytearray) -> Any:
    """Decode what `encode` made. Raises RemoteError where it is none."""
    try:
        return _decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError) as error:
        raise RemoteError(f"not a value: {error}") from None


def encode_reason(text: str) -> bytes:
    """Encode why there is no reply: an exception's message may hold anything, at any length."""
    return encode(text[:LONGEST_REASON].encode(errors="backslashreplace").decode())


@dataclass(slots=True)
class _Sending:
    """A letter of which not all is sent. *cost*: bytes that it counts for."""

    data: list[bytes | memoryview]
    descriptors: list[int]
    cost: int

    def advance(self, sent: int) -> bool:
        """Forget so many bytes, and the descriptors that went with them; True: that was all."""
        close_all(self.descriptors)
        self.descriptors = []
        while self.data and sent >= len(self.data[0]):
            sent -= len(self.data.pop(0))
        if self.data:
            self.data[0] = memoryview(self.data[0])[sent:]
        return not self.data


class Post:
    """One end. It owns its socket, and duplicates of the descriptors given to `send`.

    Letters may be given to it before there is a line: they wait for `connect`. *peer*: who is at
    the other end, as the log says it.
    """

    def __init__(self, sock: socket.socket | None = None, peer: str = "") -> None:
        self._sock: socket.socket | None = None
        self._sorter = Sorter()
        self._outbox: deque[_Sending] = deque()
        self._unsent = 0  # bytes, with what is counted for letters and descriptors
        self._refusals = Complaint("messages_dropped")
        self._losses = Complaint("messages_lost")
        self._peer = peer
        self.is_shut = False  # what is sent arrives nowhere
        self.is_closed = False  # by us
        self.is_ended = False  # the other end is closed, and all it said was read
        self.is_dry = False  # nothing was there when it was read last
        if sock is not None:
            self.connect(sock)

    def connect(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock

    def fileno(self) -> int:
        assert self._sock is not None, "it is asked only once it is connected"
        return self._sock.fileno()

    @property
    def has_room(self) -> bool:
        """Whether more may come: it is open, and not too much is unsent."""
        return not self.is_shut and self._unsent <= BACKLOG

    @property
    def is_full(self) -> bool:
        """Whether nothing more is taken, since the peer does not read."""
        return self._unsent > MOST_UNSENT

    @property
    def is_connected(self) -> bool:
        return self._sock is not None

    @property
    def has_unsent(self) -> bool:
        return bool(self._outbox)

    def send(
        self, kind: int, number: int, payload: bytes, descriptors: Sequence[Descriptor] = ()
    ) -> bool:
        """Send a letter, or let it wait for room. False: wait before you send more, or it is over.

        It is dropped where the line is closed, or over MOST_UNSENT wait. Raises ValueError for what
        is too large, and OSError for descriptors that are not open.
        """
        head = letters.head(kind, number, len(payload), len(descriptors))
        if self.is_shut:
            return False
        if self.is_full:
            reason = f"{self._unsent} bytes are unsent: it does not read"
            self._refusals.tell(time.monotonic(), to=self._peer, reason=reason)
            return False
        # What is small is joined: to copy it is less than a second buffer costs.
        is_small = len(payload) <= SMALL
        data: list[bytes | memoryview] = [head + payload] if is_small else [head, payload]
        cost = len(payload) + LETTER + DESCRIPTOR * len(descriptors)
        self._outbox.append(_Sending(data, duplicates(descriptors), cost))
        self._unsent += cost
        self.flush()
        return self.has_room

    def flush(self) -> bool:
        """Write what the kernel takes now; True when nothing is left."""
        while self._outbox and self._sock is not None:
            sending = self._outbox[0]
            try:
                sent = channel.write(self._sock, sending.data, sending.descriptors)
            except BlockingIOError:
                return False
            except OSError as error:
                if error.errno in _SHORT:
                    return False
                self._refuse(error)
                continue
            if sending.advance(sent):
                self._outbox.popleft()
                self._unsent -= sending.cost
        return not self._outbox

    def _refuse(self, error: OSError) -> None:
        """Drop what can't be sent: all, where the peer is gone.

        Or a letter while the user has too many descriptors on their way. Its socket is writable
        then: to wait for it were a busy loop.
        """
        if error.errno != errno.ETOOMANYREFS:
            self._shut()
            return
        refused = self._outbox.popleft()
        self._unsent -= refused.cost
        close_all(refused.descriptors)
        self._refusals.tell(time.monotonic(), to=self._peer, reason=error.strerror)

    def receive(self) -> list[Letter]:
        """Read once, at most READ bytes. Raises RemoteError on what is no letter."""
        self.is_dry = True
        if self._sock is None or self.is_ended or self.is_closed:
            return []
        try:
            data, descriptors, is_cut = channel.read(self._sock, READ)
        except BlockingIOError:
            return []
        self.is_dry = not data
        if not data:
            self.is_ended = True
            self._shut()
        lost = self._sorter.lost
        read = self._sorter.feed(data, descriptors, is_cut=is_cut)
        if self._sorter.lost > lost:
            reason = "no descriptor was free for what came along"
            self._losses.tell(time.monotonic(), sender=self._peer, reason=reason)
        return read

    def close(self) -> None:
        """Close the line; what is unsent is dropped."""
        self.is_closed = True
        self._shut()
        self._sorter.close()
        if self._sock is not None:
            self._sock.close()

    def _shut(self) -> None:
        self.is_shut = True
        for sending in self._outbox:
            close_all(sending.descriptors)
        self._outbox.clear()
        self._unsent = 0
