"""What can be done to a number in shared memory so that nobody else's change is lost."""

from typing import Protocol

# By typecode: the bytes of those numbers, and the least and the greatest.
ATOMIC = {
    "i": (4, -(1 << 31), (1 << 31) - 1),
    "I": (4, 0, (1 << 32) - 1),
    "q": (8, -(1 << 63), (1 << 63) - 1),
    "Q": (8, 0, (1 << 64) - 1),
}


class Cells(Protocol):
    """Numbers by index, which the caller has checked, as it has values: they fit.

    All are sequentially consistent, as C11 has it: who sees a later change sees the earlier ones.
    """

    def load(self, index: int) -> int: ...

    def store(self, index: int, value: int) -> None: ...

    def add(self, index: int, amount: int) -> int:
        """Return the sum, which wraps around as in C."""
        ...

    def exchange(self, index: int, value: int) -> int:
        """Return what was there."""
        ...

    def compare_exchange(self, index: int, expected: int, value: int) -> bool:
        """Store *value* where *expected* is there; whether it was."""
        ...
