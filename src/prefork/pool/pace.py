"""How quickly tasks are done here, and how long a queue of them takes by that."""

import math

_WEIGHT = 0.1  # of the latest task
_LONGEST = 60.0  # seconds


class Pace:
    def __init__(self) -> None:
        self._mean = 0.0  # seconds that a task takes; 0: none has ended

    def note(self, nanoseconds: int) -> None:
        """Count a task that has ended."""
        seconds = nanoseconds / 1e9
        self._mean += _WEIGHT * (seconds - self._mean) if self._mean else seconds

    def until_done(self, tasks: int, processes: int) -> float:
        """Say in how many whole seconds, at least 1, so many of them are done."""
        return float(max(1, math.ceil(min(_LONGEST, tasks * self._mean / max(1, processes)))))
