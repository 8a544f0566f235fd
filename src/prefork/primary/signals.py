"""Signals as data: a handler that only remembers, and a descriptor that wakes the selector."""

import os
import select
import signal
from collections.abc import Iterator
from types import FrameType

from prefork import log
from prefork.core.facts import Fact, QuitRequested, ReloadRequested, ScaleRequested, StopRequested
from prefork.wire.descriptors import HasFileno
from prefork.wire.signalling import HANDLED

# By signal: what it requests, and how the documentation says it.
REQUESTS: dict[signal.Signals, tuple[Fact | None, str]] = {
    signal.SIGTERM: (
        StopRequested(),
        "stop: refuse new connections, answer the requests in flight; a second one hurries",
    ),
    signal.SIGINT: (StopRequested(), "the same, from the terminal"),
    signal.SIGQUIT: (QuitRequested(), "stop at once; what is in flight is cut"),
    signal.SIGHUP: (
        ReloadRequested(),
        "reload: load the code anew and replace the workers one by one; during a reload: "
        "once more after it",
    ),
    signal.SIGTTIN: (ScaleRequested(1), "one worker more"),
    signal.SIGTTOU: (ScaleRequested(-1), "one worker fewer; never less than one"),
    signal.SIGUSR1: (
        None,
        "nothing: an access log that was rotated away is opened anew within half a second, unasked",
    ),
    signal.SIGUSR2: (None, "nothing: an upgrade of prefork or Python needs a restart"),
}

LOG = 2  # standard error
_READ = 4096  # bytes at a time; only that there are any matters


# Left to the shell where the log goes to a terminal: a caught SIGTTOU comes again with each write.
JOB_CONTROL = frozenset({signal.SIGTTIN, signal.SIGTTOU})


class Signals:
    """Caught signals. The number comes from the handler: a full pipe loses bytes, a set doesn't."""

    def __init__(self) -> None:
        self._caught: set[int] = set()
        self._before: dict[int, signal._HANDLER] = {}  # by number: what was done on it
        self._reading, self._writing = os.pipe()
        for end in (self._reading, self._writing):
            os.set_blocking(end, False)
        for number in HANDLED:
            if number not in JOB_CONTROL or not os.isatty(LOG):
                # SIGCHLD too: an inherited SIG_IGN eats exits
                self._before[number] = signal.signal(number, self._remember) or signal.SIG_DFL
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)

    def fileno(self) -> int:
        return self._reading

    def close(self) -> None:
        """Catch none any more: each does again what it did before."""
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        for end in (self._reading, self._writing):
            os.close(end)

    def wait(self, seconds: float | None = None, *others: HasFileno) -> None:
        """Wait for one, or until one of *others* can be read, at most so long."""
        poll = select.poll()  # select(2) has no room for a descriptor from 1024 on
        poll.register(self._reading, select.POLLIN)
        for each in others:
            poll.register(each, select.POLLIN)
        poll.poll(None if seconds is None else seconds * 1000)

    def take(self) -> set[int]:
        """Return the signals caught since the last call."""
        try:
            while len(os.read(self._reading, _READ)) == _READ:
                continue
        except BlockingIOError:
            pass  # woken for nothing
        caught = set(self._caught)
        self._caught -= caught
        return caught

    def requests(self, caught: set[int]) -> Iterator[Fact]:
        """Tell what those that were caught request, in the order of the table."""
        for number, (request, _) in REQUESTS.items():
            if number in caught:
                log.info("signal", signal=number.name)
                if request is not None:
                    yield request

    def _remember(self, number: int, _: FrameType | None) -> None:
        self._caught.add(number)
