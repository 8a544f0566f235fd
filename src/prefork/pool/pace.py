"""How quickly a worker's tasks are done: how long they waited and ran, how long a queue takes."""

import math
import time
from dataclasses import dataclass

from prefork.wire.timings import Timings, summary

_WEIGHT = 0.1  # of the latest task
_LONGEST = 60.0  # seconds
_MANY = 32  # tasks counted at once: a longer list lies in the heap, and may keep that large


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of durations in milliseconds: half of them are at most `p50`, 99.9 % at most `p999`."""

    p50: float
    p90: float
    p99: float
    p999: float


class Pace:
    def __init__(self) -> None:
        self._mean = 0.0  # seconds that a task takes; 0: none has ended
        self.done = 0  # tasks that have ended
        self.latest = 0  # when the latest has ended, by monotonic_ns
        self._ended: list[tuple[int, int, int]] = []  # that are not counted yet: it can wait
        self._timings = Timings.private(time.monotonic_ns())

    def note(self, submitted: int, begun: int) -> None:
        """Hear of a task that has ended: when it was submitted, and begun, by monotonic_ns."""
        self.latest = now = time.monotonic_ns()
        self.done += 1
        self._ended.append((submitted, begun, now))
        if len(self._ended) == _MANY:
            self._count()

    def _count(self) -> None:
        for submitted, begun, ended in self._ended:
            run = ended - begun
            seconds = run / 1e9
            self._mean += _WEIGHT * (seconds - self._mean) if self._mean else seconds
            self._timings.note(begun - submitted, run, ended)
        self._ended.clear()

    def until_done(self, tasks: int, processes: int) -> float:
        """Say in how many whole seconds, at least 1, so many of them are done."""
        self._count()
        return float(max(1, math.ceil(min(_LONGEST, tasks * self._mean / max(1, processes)))))

    def lately(self) -> tuple[Quantiles | None, Quantiles | None]:
        """Say how long the tasks of the last 30 to 60 seconds waited, and ran; None: there are
        none."""
        self._count()
        seen = summary([self._timings.seen(time.monotonic_ns())])
        wait, run = (Quantiles(*each) if each else None for each in (seen.wait, seen.run))
        return wait, run
