"""The access log of one worker: its lines are gathered, and written where there is room for them.

A write is of whole lines that a pipe takes whole or not at all, so that the workers of a fleet can
share it. What finds no room waits, up to a bound; beyond it lines are dropped, counted and told of.
"""

import errno
import os
from collections import deque
from time import monotonic

from prefork import log
from prefork.settings.running import STDOUT
from prefork.settings.schema import Settings
from prefork.sink import ROOM
from prefork.worker.access_lines import Combined, Json, Lines, Noted, shortened
from prefork.worker.access_target import Output, Path
from prefork.worker.clock import wall_time

MOST_NOTED = 8  # requests, whose objects live until then; 64 at a time cost the same
BATCH = 16  # chunks that a file is given at once: 64 KiB
HELD = 1 << 20  # bytes that wait for room
TOLD_EVERY = 60.0  # seconds
FULL = "its reader is too slow"


class AccessLog:
    """Call `note` for each request, `tick` twice a second, and `finish` at the end."""

    # fmt: off
    __slots__ = (
        "_chunks",
        "_held",
        "_length",
        "_lines",
        "_lost",
        "_noted",
        "_open",
        "_reason",
        "_target",
        "_told",
        "client",
        "is_timed",
    )
    # fmt: on

    def __init__(self, lines: Lines, target: Output) -> None:
        self.client = lines.client
        self.is_timed = lines.is_timed
        self._noted: list[Noted] = []
        self._lines = lines
        self._target = target
        self._open: list[str] = []  # what the next chunk is made of
        self._length = 0  # of these, in bytes
        self._chunks: deque[bytes] = deque()  # of at most ROOM
        self._held = 0  # bytes in them
        self._lost = 0  # lines that weren't told of
        self._told = float("-inf")
        self._reason = ""
        lines.tick(wall_time(), monotonic())

    def note(self, request: Noted) -> None:
        """Add a request that is over now."""
        if self.is_timed:
            request.ended = monotonic()
        self._noted.append(request)
        if len(self._noted) >= MOST_NOTED:
            self._settle()

    def _settle(self) -> None:
        """Make lines of what was noted, and write the chunks that became full by them."""
        noted = self._noted
        lines = self._lines.render(noted)
        together = "".join(lines)
        if len(together) <= ROOM:
            self._gather(together)
        else:
            for request, line in zip(noted, lines, strict=True):
                self._gather(line if len(line) <= ROOM else self._shortened(request))
        noted.clear()
        if len(self._chunks) >= (BATCH if self._target.is_file else 1):
            self.write()

    def _gather(self, lines: str) -> None:
        """Add whole lines to the open chunk, or to the next one."""
        if not lines:
            return
        if self._length + len(lines) > ROOM:
            self._seal()
        self._open.append(lines)
        self._length += len(lines)

    def _shortened(self, request: Noted) -> str:
        found = (self._lines.render([less])[0] for less in shortened(request))
        return next(line for line in found if len(line) <= ROOM)

    def tick(self, now: float) -> None:
        """Set the clock, write what there is, and follow a rotation."""
        self.flush()
        self._lines.tick(wall_time(), now)
        self._target.renew()
        self.write()
        if self._lost and now >= self._told + TOLD_EVERY:
            self._told = now
            self._confess()

    def flush(self) -> None:
        """Write what there is room for."""
        self._settle()
        self._seal()
        self.write()

    def finish(self, seconds: float) -> None:
        """Write what there is, waiting at most so long for a reader that is slow."""
        self.flush()
        deadline = monotonic() + seconds
        while self._chunks and self._reason == FULL and (left := deadline - monotonic()) > 0:
            self._target.wait(left)
            self.write()
        self._drop()
        if self._lost:
            self._confess()

    def write(self) -> None:
        """Write chunks until there is no room."""
        chunks, target = self._chunks, self._target
        while chunks:
            lines = b"".join(chunks) if target.is_file else chunks[0]
            try:
                taken = target.put(lines)
            except BlockingIOError:  # another process took the room
                taken = 0
            except OSError as error:
                self._reason = error.strerror or str(error)
                if error.errno == errno.EPIPE and not target.is_patient:
                    self._drop()
                return
            self._forget(taken)
            if taken < len(lines):
                self._reason = FULL
                return

    def _seal(self) -> None:
        """Make a chunk of the lines since the last one."""
        if self._held + self._length > HELD:
            self._lost += sum(lines.count("\n") for lines in self._open)
        elif self._open:
            self._chunks.append("".join(self._open).encode("ascii"))
            self._held += self._length
        self._open.clear()
        self._length = 0

    def _forget(self, taken: int) -> None:
        """Whole lines, *taken* bytes of them, were written."""
        self._held -= taken
        while taken:
            chunk = self._chunks.popleft()
            if len(chunk) > taken:
                self._chunks.appendleft(chunk[taken:])
            taken -= min(taken, len(chunk))

    def _drop(self) -> None:
        self._lost += sum(chunk.count(b"\n") for chunk in self._chunks)
        self._chunks.clear()
        self._held = 0

    def _confess(self) -> None:
        log.warning("access_log_lost", lines=self._lost, reason=self._reason)
        self._lost = 0


def open_access_log(settings: Settings, standard_output: int = 1) -> AccessLog | None:
    """Open what is set, or say why not and do without."""
    path = settings.access_log
    if path is None:
        return None
    lines = Json(os.getpid()) if settings.access_log_format == "json" else Combined()
    try:
        return AccessLog(lines, Output(standard_output) if path == STDOUT else Path(path))
    except OSError as error:
        log.error("access_log_not_opened", path=path, reason=error.strerror)
        return None
