"""Numbers that are changed under a lock, where there is no libatomic."""

import fcntl
import os
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from prefork.errors import SharedMemoryError
from prefork.memory.cells import ATOMIC

_FLOCK = struct.Struct("hhqqi4x")  # fcntl(2): type, whence, start, length, pid
_WAIT = int(getattr(fcntl, "F_OFD_SETLKW", 0))

R = TypeVar("R")


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

    def alone(self, start: int, length: int, work: Callable[[], R]) -> R:
        """Call *work* while so many bytes are held, and return what it returns.

        It waits for who has them: a few instructions of another process.
        """
        take, leave = (
            _FLOCK.pack(kind, os.SEEK_SET, start, length, 0)
            for kind in (fcntl.F_WRLCK, fcntl.F_UNLCK)
        )
        with self._thread:
            if self._descriptor is None:
                self._descriptor = self._open()
            # A signal's exception (Ctrl-C's, a cancelled task's) comes after a call, or as a
            # function of Python's begins: so none is called to unlock, nor is a context manager
            # used. It would be left out, and the bytes held for the life of the process.
            try:
                fcntl.fcntl(self._descriptor, _WAIT, take)
                return work()
            finally:
                fcntl.fcntl(self._descriptor, _WAIT, leave)  # those not held, too: no harm

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

    def _alone(self, index: int, work: Callable[[], R]) -> R:
        return self._lock.alone(self._offset + index * self._size, self._size, work)

    def load(self, index: int) -> int:
        return self._alone(index, lambda: int(self._numbers[index]))

    def store(self, index: int, value: int) -> None:
        self._alone(index, lambda: self._put(index, value))

    def add(self, index: int, amount: int) -> int:
        def work() -> int:
            total = ((self._numbers[index] + amount - self._least) & self._mask) + self._least
            return self._put(index, int(total))

        return self._alone(index, work)

    def exchange(self, index: int, value: int) -> int:
        def work() -> int:
            before = int(self._numbers[index])
            self._put(index, value)
            return before

        return self._alone(index, work)

    def compare_exchange(self, index: int, expected: int, value: int) -> bool:
        def work() -> bool:
            is_there = bool(self._numbers[index] == expected)
            if is_there:
                self._put(index, value)
            return is_there

        return self._alone(index, work)

    def _put(self, index: int, value: int) -> int:
        self._numbers[index] = value
        return value
