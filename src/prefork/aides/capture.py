"""Tags what the application's processes print with who printed it, line by line."""

import errno
import os
import select
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from setproctitle import setproctitle

from prefork import log
from prefork.sink import ROOM
from prefork.wire import lineage
from prefork.wire.estate import AideBirth, Estate
from prefork.wire.outlet import NOBODY, Desk, Origin, identity

READ = 4096  # bytes; those in hand are lost where this process is killed, not those in the pipe
PORTION = 64  # messages between two looks at the pipes
LONGEST_LINE = 64 * ROOM  # bytes that are kept of a line until its end comes
LOOK_UP = 1000  # milliseconds between looks at whether the primary lives
LAST_WORDS = 100  # milliseconds of silence after which a writer that lives is not waited for
Render = Callable[[Origin, bytes], bytes]  # one line, with its newline


def main(birth: AideBirth) -> int:
    """Tag until told to stop and all is written. Returns the exit code."""
    desk = birth.estate.output
    assert desk is not None, "it is started where there is one"
    assert birth.pipes is not None, "it is told what to go on with"
    lineage.die_with(birth.estate.primary)
    setproctitle(f"prefork: capture [{birth.estate.settings.app}]")
    capture = Capture(desk, birth.estate)
    for pipe, origin in birth.pipes.items():
        capture.take(origin, pipe)
    return capture.run()


# -- lines: bytes in, bytes out ----------------------------------------------


@dataclass(slots=True)
class Source:
    """One pipe, and what came of a line that isn't complete."""

    origin: Origin
    rest: list[bytes] = field(default_factory=list)  # in pieces: joined once, however many come
    size: int = 0  # bytes of it

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are complete now; the end of the file completes the last."""
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = self._take_rest() + lines[0]
        if rest:
            self.rest.append(rest)
            self.size += len(rest)
        if self.rest and (not data or self.size > LONGEST_LINE):
            lines.append(self._take_rest())
        return lines

    def _take_rest(self) -> bytes:
        rest = b"".join(self.rest)
        self.rest, self.size = [], 0
        return rest


def as_text(origin: Origin, line: bytes) -> bytes:
    return b"[%b] %b\n" % (origin.tag.encode(), line)


def as_json(origin: Origin, line: bytes) -> bytes:
    """An event as prefork's own log has them, so that every line there is an object."""
    stream = "stdout" if origin.descriptor == 1 else "stderr"
    fields = {"from": origin.tag, "stream": stream, "line": line.decode(errors="backslashreplace")}
    event = log.Event(log.utc_now(), os.getpid(), "info", "output", fields)
    return log.json_object(event).encode(errors="backslashreplace") + b"\n"


def pieces(render: Render, origin: Origin, line: bytes) -> Iterator[bytes]:
    """A line as few lines as fit into one write each: most often itself."""
    whole = render(origin, line)
    if len(whole) <= ROOM:
        yield whole
        return
    half = min(len(line) // 2, ROOM - 64) or 1
    yield from pieces(render, origin, line[:half])
    yield from pieces(render, origin, line[half:])


# -- pipes -------------------------------------------------------------------


class Capture:
    """Reads every pipe that is handed in, and writes whole, tagged lines."""

    def __init__(self, desk: Desk, estate: Estate) -> None:
        self._desk = desk
        self._primary = estate.primary
        self._render: Render = as_json if estate.settings.log_format == "json" else as_text
        self._sources: dict[int, Source] = {}  # by the pipe's descriptor
        self._known: set[tuple[int, int]] = set()  # pipes: of those that we were born with, some
        self._poll = select.poll()  # may be handed to us again, which our predecessor never took
        self._poll.register(desk.tagging.receiving, select.POLLIN)
        self._is_told = False

    def run(self) -> int:
        """Return the exit code."""
        while True:
            ready = self._poll.poll(LAST_WORDS if self._is_told else LOOK_UP)
            for descriptor, _ in ready:
                self._heed(descriptor)
            is_orphan = os.getppid() != self._primary
            if (self._is_told or is_orphan) and not (ready and self._sources):
                for source in self._sources.values():  # a daemon may hold its pipe for ever
                    self._put(source, b"")
                return 0

    def _heed(self, descriptor: int) -> None:
        if descriptor in self._sources:
            self._read(descriptor)
            return
        try:
            for origin, pipe in self._desk.tagging.take_some(PORTION):
                self._accept(origin, pipe)
        except BrokenPipeError as error:  # whoever is born later writes where it would without us
            log.warning("output_not_taken", reason=error.strerror)
            self._poll.unregister(descriptor)

    def _accept(self, origin: Origin, pipe: int | None) -> None:
        if origin == NOBODY:
            self._is_told = True
        elif pipe is None:
            raise OSError(errno.EMFILE, "no descriptor for a pipe: our successor inherits it")
        else:
            self.take(origin, pipe)

    def take(self, origin: Origin, pipe: int) -> None:
        """Read from it too, unless we do so already by another descriptor."""
        if (known := identity(pipe)) in self._known:
            os.close(pipe)
            return
        self._known.add(known)
        self._sources[pipe] = Source(origin)
        self._poll.register(pipe, select.POLLIN)

    def _read(self, pipe: int) -> None:
        source = self._sources[pipe]
        data = os.read(pipe, READ)
        self._put(source, data)
        if not data:
            self._poll.unregister(pipe)
            self._known.remove(identity(pipe))
            os.close(pipe)
            del self._sources[pipe]

    def _put(self, source: Source, data: bytes) -> None:
        for line in source.feed(data):
            for piece in pieces(self._render, source.origin, line):
                _write(source.origin.descriptor, piece)


def _write(descriptor: int, data: bytes) -> None:
    """Wait for room, as the writer itself would have; where nobody reads it is lost."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # somebody who shares it with us made it so
            select.select([], [descriptor], [])
        except OSError:
            return
