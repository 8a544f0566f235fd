"""What is printed, as it comes out: a desk whose originals are pipes that a test reads."""

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from prefork.sink import has_room
from prefork.wire.outlet import Desk, Origin


@contextmanager
def restored() -> Iterator[None]:
    """Let the test replace this process's standard output and standard error."""
    kept = [os.dup(1), os.dup(2)]
    try:
        yield
    finally:
        for descriptor, before in zip((1, 2), kept, strict=True):
            os.dup2(before, descriptor)
            os.close(before)


def close(desk: Desk) -> None:
    """Close all of it that is open."""
    for tray in (desk.tagging, desk.keeping):
        tray.sending.close()
        tray.receiving.close()
    for descriptor in (desk.stdout, desk.stderr):
        os.close(descriptor)


@dataclass(frozen=True)
class Printed:
    """*end*: the reading end of the pipe that was standard output when *desk* was made."""

    desk: Desk
    end: int

    def line(self) -> bytes:
        """Wait for the next line."""
        said = b""
        while not said.endswith(b"\n"):
            said += os.read(self.end, 1)
        return said

    def all(self) -> bytes:
        """Return what there is now."""
        os.set_blocking(self.end, False)
        said = []
        with suppress(BlockingIOError):
            while data := os.read(self.end, 1 << 16):
                said.append(data)
        os.set_blocking(self.end, True)
        return b"".join(said)

    def pipe(self, tag: str = "w0") -> int:
        """Hand in a pipe as a child does; return its writing end, which alone is open here."""
        reading, writing = os.pipe()
        self.desk.hand_in(Origin(tag, 1), reading)
        os.close(reading)
        return writing


@contextmanager
def printed() -> Iterator[Printed]:
    """A desk, and what comes out of the pipe that is standard output to it."""
    reading, writing = os.pipe()
    with restored():
        os.dup2(writing, 1)
        desk = Desk.open()
    os.close(writing)
    try:
        yield Printed(desk, reading)
    finally:
        close(desk)
        os.close(reading)


def fill(writing: int, line: bytes = b"x" * 99 + b"\n") -> int:
    """Write lines until the pipe has no room. Returns how many bytes."""
    count = 0
    while has_room(writing):
        count += os.write(writing, line)
    return count


def bury(pid: int, number: signal.Signals | None = None) -> int:
    """Wait for a child's end, after a signal where one is given. Returns its exit code."""
    if number is not None:
        os.kill(pid, number)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Have the kernel find no number for what comes."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_free = os.dup(0)
    os.close(next_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
