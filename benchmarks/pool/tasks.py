"""What the pools are given to do; `peer.js` says the same in JavaScript."""

from typing import Any


def empty() -> None:
    """Do nothing, so that the way there and back is all that takes time."""


def take(array: Any) -> float:
    """Say what its last number is."""
    return float(array[-1])


def echo(array: Any) -> Any:
    return array


def add_up(array: Any) -> tuple[float, Any]:
    """Read all of it, and give it back."""
    return float(array.sum()), array


def busy(loops: int) -> int:
    """Compute. No library, whose threads might help it."""
    total = 0
    for number in range(loops):
        total += number & 3
    return total
