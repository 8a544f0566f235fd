"""The pipes that children print into, kept open so that whoever reads them may die."""

import os
import select
import selectors
import time
from dataclasses import dataclass

from prefork.sink import ROOM, Sink
from prefork.wire.complaint import Complaint
from prefork.wire.descriptors import limit
from prefork.wire.outlet import Desk, Origin

PAUSE = 0.05  # seconds until it is tried again where what is written finds no room
PORTION = 64  # messages in one look: whoever sends without end costs the others little
WHOLE = 512  # messages, more than a tray holds: with them all comes that was there before
MOST_KEPT = 4096  # pipes: of 1024 workers, and during a reload of as many again
SHARE = 3  # of all descriptors a third at most: `require` sees to it that live workers need less


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
        except OSError:  # it came from a child: what can't be read is at its end
            data = b""
        self.held += data
        if not data:
            self.complete()
        elif len(self.held) == ROOM and b"\n" not in self.held:
            self.held = self.held[:-1] + b"\n" + self.held[-1:]
        return not data

    def complete(self) -> None:
        """End a line that nobody will."""
        if self.held and not self.held.endswith(b"\n"):
            self.held += b"\n"

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

    What comes is a child's, and is not trusted. A daemon that outlives its worker holds its pipes,
    so they may be more than there are workers: where they are too many the oldest is let go. Who
    tags has it still, and only if that dies too does its writer notice.
    """

    def __init__(self, desk: Desk, most: int | None = None) -> None:
        self._desk = desk
        self._most = min(MOST_KEPT, limit() // SHARE) if most is None else most
        self._trouble = Complaint("output_not_kept")
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
                self._receive(PORTION)
        return ()

    def gather(self) -> dict[int, Origin]:
        """Keep what was handed in, and return all that is kept, without what is done with."""
        self._receive(WHOLE)
        return dict(self._kept)

    def _receive(self, most: int) -> None:
        """Take *most* messages, and let go what is done with."""
        try:
            for origin, pipe in self._desk.keeping.take_some(most):
                self._keep(origin, pipe)
        except BrokenPipeError as error:  # whoever is born later writes where it would without
            self._tell(str(error.strerror))
            self._listen_no_more()
        for pipe, seen in self._ends.poll(0):
            if not seen & select.POLLIN:  # else whoever comes to read has not read all
                self._let_go(pipe)

    def _keep(self, origin: Origin, pipe: int | None) -> None:
        if pipe is None:
            self._tell("no descriptor was left for a pipe", who=origin.tag)
            return
        self._kept[pipe] = origin
        self._ends.register(pipe, select.POLLIN)
        if len(self._kept) > self._most:
            oldest = next(iter(self._kept))
            self._tell(f"there are more than {self._most} pipes", who=self._kept[oldest].tag)
            self._let_go(oldest)

    def _tell(self, reason: str, **fields: object) -> None:
        """Say whose prints fail if the process that tags them ends."""
        self._trouble.tell(time.monotonic(), reason=reason, **fields)

    def _listen_no_more(self) -> None:
        receiving = self._desk.keeping.receiving
        if receiving in self._selector.get_map():
            self._selector.unregister(receiving)

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
        self._listen_no_more()
        self._desk.keeping.close()
        for pipe, origin in kept.items():
            _own(pipe)
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
                break
            self.look(now)
            self.check(now)
        for spout in self._spouts.values():  # a daemon of a worker may hold its pipe for ever
            spout.complete()
            spout.pour()

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


def _own(pipe: int) -> None:
    """Make reading never wait. Whoever sent the pipe may share its flags, and could set them back:
    it is opened anew where that can be done."""
    try:
        again = os.open(f"/proc/self/fd/{pipe}", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        os.set_blocking(pipe, False)
        return
    os.dup2(again, pipe, inheritable=False)
    os.close(again)
