"""The threads of one worker, in which calls are made that would hold up its event loop."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from time import monotonic

from prefork import log
from prefork.errors import AppError, ExitCode
from prefork.wire.complaint import Complaint

Call = Callable[[], None]


class Threads:
    """Makes calls in the order in which they were asked for, as many at a time as it may.

    Only the loop's thread asks, and says what is done, so nothing is counted under a lock.
    `ThreadPoolExecutor` takes a future, a semaphore and a lock for each call (6 to 8 µs of the
    loop's time, here 0.3), and can't be left without waiting for a thread that doesn't end.
    """

    def __init__(self, most: int) -> None:
        """Start the first one. Raises AppError where the system has none."""
        self._most = most
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._trouble = Complaint("thread_not_started", log.error)
        self._open = 0  # calls that are made, or wait for it
        try:
            self._add()
        except RuntimeError as error:
            reason = f"there is no thread to call the application in: {error}"
            raise AppError(reason, exit_code=ExitCode.APP_START) from None

    def __repr__(self) -> str:
        return f"<Threads {self._open} calls, {len(self._threads)} of {self._most}>"

    def call(self, what: Call) -> None:
        """Have it called as soon as a thread is free. It must not raise, and end with `done`."""
        self._open += 1
        if self._open > len(self._threads) < self._most:
            self._grow()
        self._calls.put(what)

    def done(self) -> None:
        """Count off a call."""
        self._open -= 1

    def end(self, seconds: float) -> None:
        """End them all. Wait so long, and no longer, for what an application has in its threads."""
        for _ in self._threads:
            self._calls.put(None)
        until = monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - monotonic()))

    def _grow(self) -> None:
        try:
            self._add()
        except RuntimeError as error:  # the system has no more: what is there goes on
            self._trouble.tell(monotonic(), threads=len(self._threads), reason=str(error))

    def _add(self) -> None:
        number = len(self._threads)
        thread = Thread(target=self._live, name=f"wsgi-{number}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _live(self) -> None:
        while (what := self._calls.get()) is not None:
            what()
            del what  # or it were kept until the next one comes
