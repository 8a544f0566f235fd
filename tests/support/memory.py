"""How much the memory of a process grows while something happens to it."""

import threading
from types import TracebackType
from typing import Self

from tests.support import processes

EVERY = 0.01  # seconds between two looks


class Growth:
    """`peak` is by how many bytes the process was larger, at most, than when the context opened."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before = processes.own_rss(pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.peak = 0

    @property
    def now(self) -> int:
        return processes.own_rss(self._pid) - self._before

    def _watch(self) -> None:
        while not self._over.wait(EVERY):
            self.peak = max(self.peak, self.now)

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
        self.peak = max(self.peak, self.now)
