"""Letters: what a user's code says to another process, as it looks in a stream of bytes."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from struct import Struct

from prefork.errors import RemoteError
from prefork.wire.descriptors import close_all

VERSION = 1
MAX_PAYLOAD = 16 * 1024 * 1024  # bytes
MAX_DESCRIPTORS = 253  # the kernel's SCM_MAX_FD, and it never joins two letters' in one read
_HEAD = Struct("!BBIBI")  # version, kind, number, count of descriptors, length of the payload


class Kind(IntEnum):
    """What a letter of the post is for."""

    MESSAGE = 1
    REQUEST = 2
    REPLY = 3
    FAILURE = 4  # instead of a reply: why there is none


@dataclass(frozen=True, slots=True)
class Letter:
    """*number* joins a request and its answer. The *descriptors* are whoever's has the letter."""

    kind: int
    number: int
    payload: bytes | bytearray
    descriptors: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Head:
    kind: int
    number: int
    length: int
    descriptors: list[int] | None  # None: they were lost


def head(kind: int, number: int, length: int, descriptors: int = 0) -> bytes:
    """What goes before a payload of *length* bytes. Raises ValueError for what is too large."""
    if length > MAX_PAYLOAD:
        raise ValueError(f"a message holds at most {MAX_PAYLOAD} bytes, and this is {length}")
    if descriptors > MAX_DESCRIPTORS:
        raise ValueError(f"a message takes {MAX_DESCRIPTORS} descriptors along, not {descriptors}")
    return _HEAD.pack(VERSION, kind, number, descriptors, length)


def give_all(read: list[Letter], take: Callable[[Letter], None]) -> None:
    """Give each to *take*, which owns it from then on; where that raises, the rest is closed."""
    for number, letter in enumerate(read, 1):
        try:
            take(letter)
        except BaseException:
            close_all(each for rest in read[number:] for each in rest.descriptors)
            raise


class Sorter:
    """Cuts a stream into letters, however its bytes arrive.

    Descriptors come with the first byte of their letter, and in one read with one letter's.
    """

    def __init__(self) -> None:
        self._batches: deque[list[int] | None] = deque()  # whose heads are not whole; None: lost
        self._head: _Head | None = None  # of the letter whose payload is not whole
        # A head, or the payload: as large as it will be, since to let it grow by each read of
        # 800 KB cost 2 ms.
        self._part = bytearray(_HEAD.size)
        self._filled = 0  # bytes of it
        self.lost = 0  # letters that are dropped, for their descriptors were lost

    def feed(
        self, data: bytes, descriptors: list[int] | None = None, *, is_cut: bool = False
    ) -> list[Letter]:
        """Return the letters that *data* completes. *is_cut*: there were more *descriptors*.

        Raises RemoteError on what is no letter; all descriptors are closed then.
        """
        if is_cut:
            close_all(descriptors or [])
            self._batches.append(None)
        elif descriptors:
            self._batches.append(descriptors)
        letters: list[Letter] = []
        try:
            self._sort(memoryview(data), letters)
            self._check()
        except RemoteError:
            close_all(each for letter in letters for each in letter.descriptors)
            self.close()
            raise
        return letters

    def close(self) -> None:
        """Close what came with letters that are not whole."""
        for batch in self._batches:
            close_all(batch or [])
        self._batches.clear()
        if self._head is not None:
            close_all(self._head.descriptors or [])
        self._begin(None)

    def _sort(self, data: memoryview, letters: list[Letter]) -> None:
        while True:
            piece = data[: len(self._part) - self._filled]
            data = data[len(piece) :]
            self._part[self._filled : self._filled + len(piece)] = piece
            self._filled += len(piece)
            if self._filled < len(self._part):
                return
            if self._head is None:
                self._begin(self._read_head())
            else:
                self._end(self._head, letters)

    def _begin(self, head: _Head | None) -> None:
        """Expect a payload, or None: a head."""
        self._head = head
        self._part = bytearray(_HEAD.size if head is None else head.length)
        self._filled = 0

    def _end(self, head: _Head, letters: list[Letter]) -> None:
        if head.descriptors is None:
            self.lost += 1
        else:
            letters.append(Letter(head.kind, head.number, self._part, head.descriptors))
        self._begin(None)

    def _read_head(self) -> _Head:
        version, kind, number, count, length = _HEAD.unpack(self._part)
        if version != VERSION or count > MAX_DESCRIPTORS or length > MAX_PAYLOAD:
            raise RemoteError(f"not a letter: version {version}, length {length}")
        batch: list[int] | None = []
        if count:
            if not self._batches:
                raise RemoteError("a letter came without its descriptors")
            batch = self._batches.popleft()
            if batch is not None and len(batch) != count:
                close_all(batch)
                raise RemoteError(f"a letter came with {len(batch)} descriptors of {count}")
        return _Head(kind, number, length, batch)

    def _check(self) -> None:
        """Refuse descriptors of no letter: only one whose head is not whole may have some."""
        begun = self._head is None and bool(self._filled)
        if len(self._batches) > begun:
            raise RemoteError("descriptors came with no letter")
