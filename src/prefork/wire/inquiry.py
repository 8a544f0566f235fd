"""The pipes by which the primary asks a worker what it is at, and is told.

Two pipes, and no socket: `faulthandler` writes a dump in thousands of small pieces, of which a
socket takes 277. They keep the system's size, 64 KiB: the primary reads while there is a dump, and
an enlarged one for each of many workers would use up what a user's pipes may have in all.
"""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass

CHUNK = 65536
MOST_CHUNKS = 16  # of one read: whoever writes as fast as we read gets no more of us

# Has `faulthandler` dump the stacks of all threads, even while something holds the interpreter.
# None: the system has no signals that nobody else uses.
SIGNAL: int | None = signal.SIGRTMIN + 1 if hasattr(signal, "SIGRTMIN") else None
_NUMBERS = 256  # of inquiries: one byte each


@dataclass(frozen=True, slots=True)
class Respondent:
    """The worker's ends, as descriptors: *asked* is read, *answering* written."""

    asked: int
    answering: int

    def fileno(self) -> int:
        return self.asked

    @property
    def descriptors(self) -> list[int]:
        return [self.asked, self.answering]

    def take(self) -> int | None:
        """Take the number of the latest inquiry; None: there is none, or nobody to ask one."""
        try:
            said = os.read(self.asked, CHUNK)
        except BlockingIOError:
            return None
        return said[-1] if said else None

    def close(self) -> None:
        for each in self.descriptors:
            os.close(each)


class Inquirer:
    """The primary's ends. Neither ever waits."""

    def __init__(self, asking: int, answers: int) -> None:
        self._asking = asking
        self._answers = answers
        self._number = 0

    def fileno(self) -> int:
        """What is readable when something is answered."""
        return self._answers

    def ask(self) -> int:
        """Ask; return the inquiry's number, which its answer bears."""
        self._number = (self._number + 1) % _NUMBERS
        with suppress(BlockingIOError, BrokenPipeError):  # then it won't be answered
            os.write(self._asking, bytes((self._number,)))
        return self._number

    def read(self) -> bytes | None:
        """Read what is there, but not for ever; None: the worker's end is closed, all was read."""
        said = b""
        try:
            for _ in range(MOST_CHUNKS):
                chunk = os.read(self._answers, CHUNK)
                if not chunk:
                    return said or None
                said += chunk
        except BlockingIOError:
            pass  # that was all
        return said

    def close(self) -> None:
        os.close(self._asking)
        os.close(self._answers)


def pair() -> tuple[Inquirer, Respondent]:
    """Make both sides. Raises OSError."""
    asked, asking = os.pipe()
    try:
        answers, answering = os.pipe()
    except OSError:
        os.close(asked)
        os.close(asking)
        raise
    for each in (asked, asking, answers, answering):
        os.set_blocking(each, False)
    return Inquirer(asking, answers), Respondent(asked, answering)
