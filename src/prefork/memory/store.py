"""The memory that a process keeps by key, and how much of that it keeps at most."""

import os
from dataclasses import dataclass

from prefork.errors import SharedMemoryError
from prefork.memory import native
from prefork.wire.nameless import nameless_file

MOST_KEYS = 256
MOST_BYTES = 64 * 1024 * 1024  # of one key
MOST_IN_ALL = 256 * 1024 * 1024
LONGEST_KEY = 200  # bytes: a request on the control socket is one short line

_WORD = 8  # bytes: what follows the numbers is aligned to it
_BELL = 8  # bytes behind the numbers: the two words of a `Bell`


@dataclass(frozen=True, slots=True)
class Kept:
    descriptor: int
    size: int  # of the numbers, in bytes


class Store:
    """Keeps what it has made until the process ends; there is nothing to give back.

    *atomics*: by what all who use its memory change numbers, "libatomic" or "lock". Who keeps it
    decides for all: one kind doesn't exclude the other.
    """

    def __init__(self, atomics: str | None = None) -> None:
        self._kept: dict[str, Kept] = {}
        self._atomics = atomics

    @property
    def atomics(self) -> str:
        if self._atomics is None:
            self._atomics = "libatomic" if native.is_there() else "lock"
        return self._atomics

    def take(self, key: str, size: int) -> int:
        """Give the descriptor of the memory that is kept as *key*, which is made now if need be.

        It stays the store's. Raises SharedMemoryError, which names what is too much or differs.
        """
        kept = self._kept.get(key) or self._make(key, size)
        if kept.size != size:
            raise differing(key, kept.size, size)
        return kept.descriptor

    def _make(self, key: str, size: int) -> Kept:
        self._refuse(key, size)
        try:
            made = Kept(nameless_file("shared", whole(size)), size)
        except OSError as error:
            raise SharedMemoryError(f"no memory for the key {key!r}: {error.strerror}") from None
        kept = self._kept.setdefault(key, made)  # a thread of the user's may have been faster
        if kept is not made:
            os.close(made.descriptor)
        return kept

    def _refuse(self, key: str, size: int) -> None:
        """Raise SharedMemoryError where this would be too much."""
        if not 0 < len(key.encode(errors="surrogatepass")) <= LONGEST_KEY:
            raise SharedMemoryError(f"a key has 1 to {LONGEST_KEY} bytes: {key!r}")
        if not 0 < size <= MOST_BYTES:
            raise SharedMemoryError(
                f"the key {key!r} wants {size} bytes; each has 1 to {MOST_BYTES} (64 MiB)"
            )
        if len(self._kept) >= MOST_KEYS:
            raise SharedMemoryError(f"the key {key!r} is one too many: there are {MOST_KEYS}")
        used = sum(each.size for each in self._kept.values())
        if used + size > MOST_IN_ALL:
            raise SharedMemoryError(
                f"the key {key!r} wants {size} bytes, and {MOST_IN_ALL - used} are left of "
                f"{MOST_IN_ALL} (256 MiB) for all keys together"
            )


def whole(size: int) -> int:
    """How many bytes there are in all, for *size* bytes of numbers and the bell behind them."""
    return bell_at(size) + _BELL


def bell_at(size: int) -> int:
    """Where the bell is."""
    return -(-size // _WORD) * _WORD


def differing(key: str, has: int, wanted: int) -> SharedMemoryError:
    return SharedMemoryError(
        f"the key {key!r} has {has} bytes, not {wanted}: everybody who uses it must say the same "
        "typecode and length, until the instance is started anew"
    )
