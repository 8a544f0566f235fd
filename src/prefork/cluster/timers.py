"""What the primary's code is to do later."""

import heapq
import math
from collections.abc import Callable
from itertools import count

Callback = Callable[[], object]


class Timer:
    """One call to come, as `call_later` returns it.

    *due*: when, in monotonic seconds; *is_cancelled*: whether it will not be.
    """

    def __init__(self, due: float, callback: Callback) -> None:
        self.due = due
        self.callback = callback
        self.is_cancelled = False

    def cancel(self) -> None:
        """Don't call what was to be called. Once it was, this does nothing."""
        self.is_cancelled = True


class Timers:
    """A clock of the primary's loop. *run*: is given what is due, in order.

    Whoever calls it later asks whether it is cancelled once more.
    """

    def __init__(self, run: Callable[[Timer], object]) -> None:
        self._run = run
        self._heap: list[tuple[float, int, Timer]] = []
        self._number = count()

    def __len__(self) -> int:
        self._drop_cancelled()
        return len(self._heap)

    def add(self, due: float, callback: Callback) -> Timer:
        """Raises ValueError for what is no time: it would never come, and always be waited for."""
        if not math.isfinite(due):
            raise ValueError(f"a timer's seconds must be finite, not {due}")
        timer = Timer(due, callback)
        heapq.heappush(self._heap, (due, next(self._number), timer))
        return timer

    def next_check(self) -> float | None:
        self._drop_cancelled()
        return self._heap[0][0] if self._heap else None

    def check(self, now: float) -> tuple[()]:
        """Give what is due to whoever runs it. No fact for the core comes of it."""
        while (due := self.next_check()) is not None and due <= now:
            self._run(heapq.heappop(self._heap)[2])
        return ()

    def _drop_cancelled(self) -> None:
        while self._heap and self._heap[0][2].is_cancelled:
            heapq.heappop(self._heap)
