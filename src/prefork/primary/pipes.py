"""The pipes that children print into, kept open so that whoever reads them may die."""

import os
import select
import selectors
import time
from dataclasses import dataclass

from prefork.sink import ROOM, Sink
from prefork.wire.outlet import Desk, Origin

PAUSE = 0.05  # seconds until it is tried again where what is written finds no room


@dataclass(slots=True)
class Spout:
    """What came through a pipe that nobody tags, on its way to where it would have gone without."""

    sink: Sink
    held: bytes = b""  # read, and not written yet: an unfinished line, or what found no room

    def fill(self, pipe: int) -> bool:
        """Read a bit, if there is room for it here. Returns whether it was the end."""
        size = ROOM - len(self.held)
        if size <= 0:
            return False
        try:
            data = os.read(pipe, size)
        except BlockingIOError:
            return False
        self.held += data
        if not data and self.held and not self.held.endswith(b"\n"):
            self.held += b"\n"
        elif len(self.held) == ROOM and b"\n" not in self.held:
            self.held = self.held[:-1] + b"\n" + self.held[-1:]
        return not data

    def pour(self) -> bool:
        """Write the lines that are whole. Returns whether there was room for all of them."""
        lines = self.held[: self.held.rfind(b"\n") + 1]
        if not lines:
            return True
        try:
            taken = self.sink.put(lines)
        except OSError:  # the reader is gone, the disk is full: as if the writer had met with it
            taken = len(lines)
        self.held = self.held[taken:]
        return taken == len(lines)


class Pipes:
    """Keeps the reading end of each until nobody writes to it any more, and all is read.

    It reads none of them until it is told to spill: what is printed is traffic, and whatever the
    primary does waits for it.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._kept: dict[int, Origin] = {}  # by the reading end's descriptor
        self._ends = select.poll()  # of those that are kept
        self._sinks = {each: Sink(desk.original(each)) for each in (1, 2)}
        self._spouts: dict[int, Spout] = {}  # by the reading end's descriptor
        self._blocked: list[int] = []  # those that wait for room
        self._try_at: float | None = None
        self._spills = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(desk.keeping.receiving, selectors.EVENT_READ)

    def fileno(self) -> int:
        """Return what is readable when `look` has something to do."""
        return self._selector.fileno()

    def look(self, now: float) -> tuple[()]:
        """Keep what was handed in, or spill what has come. No fact for the core comes of it."""
        for key, _ in self._selector.select(0):
            if key.fd in self._spouts:
                self._spill(key.fd, now)
            else:
                self.gather()
        return ()

    def gather(self) -> dict[int, Origin]:
        """Keep what was handed in, and return all that is kept, without what is done with."""
        while taken := self._desk.keeping.take():
            origin, pipe = taken
            if pipe is not None:  # None: no descriptor was left for it
                self._kept[pipe] = origin
                self._ends.register(pipe, select.POLLIN)
        for pipe, seen in self._ends.poll(0):
            if not seen & select.POLLIN:  # else whoever comes to read has not read all
                self._let_go(pipe)
        return dict(self._kept)

    def close(self) -> None:
        """Keep none any more."""
        for pipe in list(self._kept):
            self._let_go(pipe)
        self._selector.close()

    def _let_go(self, pipe: int) -> None:
        self._ends.unregister(pipe)
        del self._kept[pipe]
        os.close(pipe)

    # -- where nobody else reads them any more -----------------------------------

    def spill(self) -> None:
        """Write all that comes from now on to where it would have gone without pipes.

        Whoever is born later learns from the desk that it needs none.
        """
        self._spills = True
        self._desk.tagging.close()  # first: what was taken there is known here
        kept = self.gather()
        self._selector.unregister(self._desk.keeping.receiving)
        self._desk.keeping.close()
        for pipe, origin in kept.items():
            os.set_blocking(pipe, False)  # of the reading end alone
            self._spouts[pipe] = Spout(self._sinks[origin.descriptor])
            self._selector.register(pipe, selectors.EVENT_READ)

    def next_check(self) -> float | None:
        """When to look for room again; None: nothing waits for that."""
        return self._try_at

    def check(self, now: float) -> None:
        """Look for room again, where that is due."""
        if self._try_at is None or now < self._try_at:
            return
        self._try_at = None
        again, self._blocked = self._blocked, []
        for pipe in again:
            self._selector.register(pipe, selectors.EVENT_READ)
            self._spill(pipe, now)

    def finish(self, deadline: float) -> None:
        """Write what is left, if there is room before *deadline*: nobody comes to do it later."""
        if not self._spills:
            self.spill()
        while (now := time.monotonic()) < deadline:
            if not self._selector.select(PAUSE if self._blocked else 0) and not self._blocked:
                return
            self.look(now)
            self.check(now)

    def _spill(self, pipe: int, now: float) -> None:
        spout = self._spouts[pipe]
        is_ended = spout.fill(pipe)
        if not spout.pour():
            self._selector.unregister(pipe)
            self._blocked.append(pipe)
            self._try_at = self._try_at or now + PAUSE
        elif is_ended:
            self._selector.unregister(pipe)
            del self._spouts[pipe]
            self._let_go(pipe)
