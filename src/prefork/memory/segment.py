"""The memory of one key as this process has it mapped, once for all who use it here."""

import ctypes
import mmap
import os
import threading
from functools import partial

from prefork.memory import futex, source
from prefork.memory.bell import Bell
from prefork.memory.cells import ATOMIC, Cells
from prefork.memory.locked import Lock, LockedCells
from prefork.memory.native import NativeCells
from prefork.memory.source import Grant
from prefork.memory.store import bell_at, differing, whole


class Segment:
    """Mapped until the process ends: a view of it may be anywhere."""

    def __init__(self, grant: Grant, size: int, lock: Lock, *, has_futex: bool) -> None:
        """*lock*: of this memory, where it needs one."""
        self.size = size
        self._mapped = mmap.mmap(grant.descriptor, whole(size))
        self._first = ctypes.c_char.from_buffer(self._mapped)
        self._is_locked = grant.is_locked
        self._lock = lock
        words = self.cells("I", bell_at(size), 2)
        address = ctypes.addressof(self._first) + bell_at(size)
        self.bell = Bell(words, address, has_futex=has_futex)

    def numbers(self, typecode: str, offset: int = 0, size: int | None = None) -> memoryview:
        """View its bytes, or some of them, as numbers."""
        end = offset + (self.size if size is None else size)
        return memoryview(self._mapped)[offset:end].cast("B").cast(typecode)  # type: ignore[call-overload,no-any-return]

    def cells(self, typecode: str, offset: int = 0, length: int | None = None) -> Cells:
        """Give what changes its numbers so that nobody else's change is lost."""
        if not self._is_locked:
            return NativeCells(self._first, offset, typecode)
        size = None if length is None else length * ATOMIC[typecode][0]
        return LockedCells(self.numbers(typecode, offset, size), offset, typecode, self._lock)

    def forget(self) -> None:
        """Be a forked child's: the memory is the same, threads and locks are its own."""
        self._lock.forget()
        self.bell.forget()


_segments: dict[tuple[str, str], Segment] = {}  # by instance, or "", and key
_attaching = threading.Lock()


def attach(instance: str, key: str, size: int) -> Segment:
    """Give the memory of *key*, asking for it where this process doesn't have it yet.

    *instance*: "" is this process's own. Raises SharedMemoryError.
    """
    where = instance or source.current()
    with _attaching:
        segment = _segments.get((where, key))
        if segment is None:
            segment = _segments[where, key] = _ask(where, key, size)
    if segment.size != size:
        raise differing(key, segment.size, size)
    return segment


def _ask(where: str, key: str, size: int) -> Segment:
    grant = source.grant(where, key, size)
    lock = Lock(partial(_borrow, where, key, size))
    try:
        return Segment(grant, size, lock, has_futex=futex.is_there())
    finally:
        os.close(grant.descriptor)


def _borrow(where: str, key: str, size: int) -> int:
    return source.grant(where, key, size).descriptor


def _forget() -> None:
    global _attaching  # noqa: PLW0603 - a thread that is not here may hold it
    _attaching = threading.Lock()
    for each in _segments.values():
        each.forget()


os.register_at_fork(after_in_child=_forget)
