"""Numbers that are changed under a lock, where there is no libatomic."""

import fcntl
import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from prefork.errors import SharedMemoryError
from prefork.memory.cells import ATOMIC

_FLOCK = struct.Struct("hhqqi4x")  # fcntl(2): type, whence, start, length, pid
_WAIT = int(getattr(fcntl, "F_OFD_SETLKW", 0))


class Lock:
    """Excludes other threads and other processes. The kernel takes it from one that is killed.

    A lock of an open file description excludes nobody who has that by inheritance, or by a message:
    so each process opens the file anew. One of a process (F_SETLK) would go when anything in it
    closes the same file.
    """

    def __init__(self, borrow: Callable[[], int]) -> None:
        """*borrow*: gives a descriptor of the file, which is closed then."""
        self._borrow = borrow
        self._descriptor: int | None = None
        self._thread = threading.Lock()  # all threads of a process have one description

    @contextmanager
    def held(self, start: int, length: int) -> Iterator[None]:
        """Hold so many bytes. It waits for who has them: a few instructions of another process."""
        with self._thread:
            if self._descriptor is None:
                self._descriptor = self._open()
            self._set(fcntl.F_WRLCK, start, length)
            try:
                yield
            finally:
                self._set(fcntl.F_UNLCK, start, length)

    def _set(self, kind: int, start: int, length: int) -> None:
        fcntl.fcntl(self._descriptor or 0, _WAIT, _FLOCK.pack(kind, os.SEEK_SET, start, length, 0))

    def _open(self) -> int:
        descriptor = self._borrow()
        try:
            if not _WAIT:
                raise SharedMemoryError("numbers are changed safely by libatomic, or on Linux")
            return os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise SharedMemoryError(f"no lock can be had: {error.strerror}") from None
        finally:
            os.close(descriptor)

    def forget(self) -> None:
        """Be a forked child's: it must not keep alive what its parent holds."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.close(self._descriptor)
        self._descriptor = None
        self._thread = threading.Lock()


class LockedCells:
    """See `Cells`. A number is stored by one instruction, so that a kill leaves none in halves."""

    def __init__(self, numbers: memoryview, offset: int, typecode: str, lock: Lock) -> None:
        """*offset*: of the numbers in the file, for the lock."""
        self._numbers = numbers
        self._offset = offset
        self._size, self._least, greatest = ATOMIC[typecode]
        self._mask = greatest - self._least
        self._lock = lock

    @contextmanager
    def _held(self, index: int) -> Iterator[None]:
        with self._lock.held(self._offset + index * self._size, self._size):
            yield

    def load(self, index: int) -> int:
        with self._held(index):
            value: int = self._numbers[index]
            return value

    def store(self, index: int, value: int) -> None:
        with self._held(index):
            self._numbers[index] = value

    def add(self, index: int, amount: int) -> int:
        with self._held(index):
            total = ((self._numbers[index] + amount - self._least) & self._mask) + self._least
            self._numbers[index] = total
            return int(total)

    def exchange(self, index: int, value: int) -> int:
        with self._held(index):
            before: int = self._numbers[index]
            self._numbers[index] = value
            return before

    def compare_exchange(self, index: int, expected: int, value: int) -> bool:
        with self._held(index):
            is_there = bool(self._numbers[index] == expected)
            if is_there:
                self._numbers[index] = value
            return is_there
