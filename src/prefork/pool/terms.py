"""What a worker may have of the pool, and what of the board it needs for that."""

from collections.abc import Callable
from dataclasses import dataclass

from prefork.wire.board import Line
from prefork.wire.messages import first_task


@dataclass(frozen=True, slots=True)
class Terms:
    """*worker*: its id. *limit*: how many of its tasks may wait. *grace*: seconds from asking a
    task to end until its process is killed. *grows*: there may be more processes than there are."""

    worker: int
    limit: int
    grace: float
    grows: bool

    @property
    def first_task(self) -> int:
        """The number of its first task."""
        return first_task(self.worker)


@dataclass(frozen=True, slots=True)
class Lines:
    """Of the board: the worker's *own*, and that *of* a number."""

    own: Line
    of: Callable[[int], Line]
