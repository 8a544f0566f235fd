"""What a program writes to its standard error, read as it comes."""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Thread
from typing import Any, TypeVar

LONGEST = 60.0  # seconds for a line: eight interpreters may start beside other tests before it
Entry = dict[str, Any]
T = TypeVar("T")


class Journal:
    """Reads a descriptor to its end in a thread, and lets tests wait for a line of it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._news = Condition()
        self._lines: list[str] = []
        self._ended = False
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        with self._news:
            return "\n".join(self._lines)

    def entries(self, event: str | None = None) -> list[Entry]:
        """Return the log's entries so far, those of *event* alone if it is given."""
        with self._news:
            found = [entry for line in self._lines if (entry := parse(line))]
        return [entry for entry in found if event in (None, entry.get("event"))]

    def wait_for_line(self, wanted: str, *, count: int = 1, timeout: float = LONGEST) -> list[str]:
        """Wait until *count* lines contain *wanted*; return them."""

        def found() -> list[str] | None:
            lines = [line for line in self._lines if wanted in line]
            return lines if len(lines) >= count else None

        return self._wait(found, f"{count} of {wanted!r}", timeout)

    def wait_for(self, event: str, *, count: int = 1, timeout: float = LONGEST) -> list[Entry]:
        """Wait until the log holds *count* entries of *event*; return them."""

        def found() -> list[Entry] | None:
            parsed = [entry for line in self._lines if (entry := parse(line))]
            entries = [entry for entry in parsed if entry.get("event") == event]
            return entries if len(entries) >= count else None

        return self._wait(found, f"{count} of event {event!r}", timeout)

    def wait_until(self, wanted: Callable[[list[str]], T | None], what: str) -> T:
        """Wait until *wanted* makes something of the lines so far; return that."""
        return self._wait(lambda: wanted(self._lines), what, LONGEST)

    def ended(self, timeout: float = 20) -> bool:
        """Wait for the end of the file: no process holds the descriptor any more."""
        self._reader.join(timeout)
        return not self._reader.is_alive()

    def _wait(self, found: Callable[[], T | None], what: str, timeout: float) -> T:
        deadline = time.monotonic() + timeout
        with self._news:
            while (answer := found()) is None:
                left = deadline - time.monotonic()
                if left <= 0 or self._ended:
                    raise AssertionError(f"no {what} in:\n" + "\n".join(self._lines))
                self._news.wait(left)
            return answer

    def _read(self) -> None:
        stream = os.fdopen(self._fd, "r", errors="backslashreplace")
        with stream, suppress(OSError):  # EIO: how a terminal ends
            for line in stream:
                with self._news:
                    self._lines.append(line.rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


def parse(line: str) -> Entry | None:
    """Return a line of `--log-format json` as a dict; None where it is something else."""
    if not line.startswith("{"):
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
