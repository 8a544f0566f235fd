"""Tasks that wait for their turn: by priority, then by age."""

import heapq
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Generic, TypeVar

from prefork.pool.errors import PoolFull
from prefork.pool.pace import Pace

Waiting = TypeVar("Waiting")


class Ledger(Generic[Waiting]):
    """Never asks who runs them. One that came back keeps its place."""

    def __init__(self, limit: int) -> None:
        """*limit*: how many may wait."""
        self._limit = limit
        self._heap: list[tuple[int, int, Waiting]] = []
        self.places: dict[Waiting, tuple[int, int]] = {}  # of those that wait, by rank and age
        self._ages: dict[Waiting, int] = {}  # likewise, and of those that may come back
        self._count = count()
        self._announced = 0

    def __len__(self) -> int:
        return len(self.places)

    def require_room(self, pace: Pace, processes: int, beside: int = 0) -> None:
        """Raise PoolFull where one more would be too many.

        *pace*: of so many *processes*. *beside*: how many are about to wait.
        """
        waiting = len(self.places) + self._announced + beside
        if waiting >= self._limit:
            retry_after = pace.until_done(waiting, processes)
            raise PoolFull(f"{self._limit} tasks wait already (pool_queue)", retry_after)

    @contextmanager
    def announced(self, pace: Pace, processes: int, beside: int) -> Iterator[None]:
        """Count one meanwhile that is on its way to every process. Raises PoolFull, as above.

        *beside*: how many wait for a certain process.
        """
        self.require_room(pace, processes, beside)
        self._announced += 1
        try:
            yield
        finally:
            self._announced -= 1

    def add(self, waiting: Waiting, priority: int) -> None:
        """Let it wait; one that waited before has the place that it had."""
        age = self._ages.setdefault(waiting, next(self._count))
        self.places[waiting] = (-priority, age)
        heapq.heappush(self._heap, (-priority, age, waiting))

    def take(self) -> Waiting | None:
        """Give the one whose turn it is; None: none waits."""
        while self._heap:
            *_, waiting = heapq.heappop(self._heap)
            if self.places.pop(waiting, None) is not None:
                return waiting
        return None

    def remove(self, waiting: Waiting) -> bool:
        """Let it wait no more; whether it did."""
        return self.places.pop(waiting, None) is not None

    def forget(self, waiting: Waiting) -> None:
        """It has ended, and can't come back."""
        self._ages.pop(waiting, None)
