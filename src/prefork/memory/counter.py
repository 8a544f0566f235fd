"""One whole number that all processes of an instance share, by key."""

from functools import partial
from typing import Any

from prefork.memory.array import SharedArray


class SharedCounter:
    """A whole number of 64 bits that all processes of an instance share; 0 at first.

    It lives as a `SharedArray` does, and is one of typecode q and length 1: no change is ever lost,
    and each wakes who waits.
    """

    __slots__ = ("_cell", "_instance", "_key")

    def __init__(self, key: str, *, instance: str = "") -> None:
        """*instance*: as of `SharedArray`, which raises the same."""
        self._key, self._instance = key, instance
        self._cell = SharedArray(key, "q", 1, instance=instance)

    def add(self, amount: int = 1) -> int:
        """Add to the number, and return the sum."""
        total = self._cell.add(0, amount)
        self._cell.notify(0)
        return total

    @property
    def value(self) -> int:
        """The number now."""
        return self._cell.load(0)

    def set(self, value: int) -> None:
        """Set the number. Raises ValueError for one that doesn't fit into 64 bits."""
        self._cell.store(0, value)
        self._cell.notify(0)

    def compare_exchange(self, expected: int, value: int) -> bool:
        """Set the number if it is *expected*, and return whether it was."""
        is_set = self._cell.compare_exchange(0, expected, value)
        if is_set:
            self._cell.notify(0)
        return is_set

    async def wait(self, expected: int, timeout: float | None = None) -> int:  # noqa: ASYNC109 - as SharedArray has it
        """Wait until the number is not *expected*, and return it.

        *timeout*: seconds; then it raises TimeoutError.
        """
        return await self._cell.wait(0, expected, timeout)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(SharedCounter, instance=self._instance), (self._key,)

    def __repr__(self) -> str:
        return f"SharedCounter({self._key!r})"
