"""The memory of a tree of processes, at most, while something happens to it."""

import threading
from types import TracebackType
from typing import Self

from tests.support import processes

EVERY = 0.5  # seconds between two looks: each takes milliseconds of a core
MEGABYTE = 1e6


def megabytes(pid: int) -> float:
    """Return the PSS of *pid* and all below it: what they share counts once."""
    return sum(map(processes.pss, [pid, *processes.descendants(pid)])) / MEGABYTE


class Footprint:
    """`peak` is of what was seen while the context was open."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.peak = megabytes(pid)

    def _watch(self) -> None:
        while not self._over.wait(EVERY):
            self.peak = max(self.peak, megabytes(self._pid))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
