"""One structured line per event on standard error, whole or not at all, without ever waiting.

A log that blocks is an outage: the reader of a pipe stops and every process that says something
stops too. What can't be written at once is counted as lost.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from prefork.sink import ROOM, Sink

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["text", "json"]

LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error")
INDENT = "    "  # before each line of a traceback
PAINTS = {"debug": "2", "info": "32", "warning": "33", "error": "1;31"}  # of a terminal
CAPS = (ROOM, 1000, 300, 100, 20, 0)  # characters kept of each value, until the line fits

_BREAKING = {*range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
_JSON_ESCAPES = {code: f"\\u{code:04x}" for code in _BREAKING}  # what json leaves as it is


def escape(text: str) -> str:
    """Replace what could move a cursor, start a line or hide text by its backslash escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, when and in which process; *detail* is text of several lines."""

    at: datetime
    pid: int
    level: Level
    name: str
    fields: Mapping[str, object]
    detail: str = ""

    @property
    def stamp(self) -> str:
        return self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# -- rendering: values in, bytes out -----------------------------------------


def as_text(event: Event) -> list[bytes]:
    """The event's lines without newlines: itself, then its detail indented."""
    head = _fit(lambda cap: _text_head(event, cap))
    return [head, *(_cut(INDENT + escape(line)) for line in event.detail.splitlines())]


def as_json(event: Event) -> list[bytes]:
    """The event's one line; of a detail too long for it the end is kept, where the error stands."""
    return [_fit(lambda cap: json_object(event, cap))]


def as_painted(event: Event) -> list[bytes]:
    """As text, for a terminal: how bad it is is seen from afar."""
    head, *detail = as_text(event)
    painted = f" \x1b[{PAINTS[event.level]}m{event.level}\x1b[0m "
    return [head.replace(f" {event.level} ".encode(), painted.encode(), 1), *detail]


RENDERERS: dict[Format, Callable[[Event], list[bytes]]] = {"text": as_text, "json": as_json}


def _text_head(event: Event, cap: int) -> str:
    words = [event.stamp, f"[{event.pid}]", event.level, escape(event.name)]
    return " ".join([*words, *(f"{k}={_text_value(v, cap)}" for k, v in event.fields.items())])


def _text_value(value: object, cap: int) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, list | tuple):
        value = ",".join(str(item) for item in value)
    text = _head(str(value), cap)
    if text and text.isprintable() and not set(text) & set(' "=\\'):
        return text
    return '"' + escape(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def json_object(event: Event, cap: int = 1 << 30) -> str:
    """The event on one line, with at most *cap* characters of each value."""
    fields = {key: _json_value(value, cap) for key, value in event.fields.items()}
    known = {"time": event.stamp, "process": event.pid, "level": event.level, "event": event.name}
    if event.detail:
        fields["detail"] = _tail(event.detail, cap)
    return json.dumps(fields | known, ensure_ascii=False).translate(_JSON_ESCAPES)


def _json_value(value: object, cap: int) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_json_value(item, cap) for item in value]
    return _head(str(value), cap)


def _head(text: str, cap: int) -> str:
    return text if len(text) <= cap else text[:cap] + "…"


def _tail(text: str, cap: int) -> str:
    return text if len(text) <= cap else "…" + text[len(text) - cap :]


def _fit(render: Callable[[int], str]) -> bytes:
    """The line with as much of its values as fits into one write."""
    for cap in CAPS:
        line = render(cap).encode(errors="backslashreplace")
        if len(line) < ROOM:
            return line
    return line[: ROOM - 1]


def _cut(text: str) -> bytes:
    line = text.encode(errors="backslashreplace")
    return line if len(line) < ROOM else line[: ROOM - 4].decode(errors="ignore").encode() + b"..."


def packed(lines: list[bytes]) -> Iterator[tuple[int, bytes]]:
    """Join lines into writes of at most ROOM bytes: (how many lines, the bytes)."""
    count, chunk = 0, b""
    for line in lines:
        if chunk and len(chunk) + len(line) + 1 > ROOM:
            yield count, chunk
            count, chunk = 0, b""
        count, chunk = count + 1, chunk + line + b"\n"
    if chunk:
        yield count, chunk


# -- writing -----------------------------------------------------------------


class Log:
    """Where lines go, which of them, and how many were lost."""

    def __init__(self, fd: int = 2, now: Callable[[], datetime] = utc_now) -> None:
        self.level: Level = "info"
        self.format: Format = "text"
        self.is_painted = False  # text is for a terminal
        self.sink = Sink(fd)
        self._now = now
        self._lost = 0

    def write(self, level: Level, name: str, fields: Mapping[str, object]) -> None:
        """Say it now, or count it as lost, unless it is less important than what is wanted."""
        if LEVELS.index(level) >= LEVELS.index(self.level):
            self.put(level, name, fields)

    def put(self, level: Level, name: str, fields: Mapping[str, object]) -> None:
        """Say it whatever its level is."""
        plain = {key: value for key, value in fields.items() if key != "detail"}
        detail = str(fields.get("detail") or "")
        event = Event(self._now(), os.getpid(), level, name, plain, detail)
        self._confess(event)
        for count, chunk in packed(self._rendered(event)):
            if self._lost or not self._put(chunk):  # nothing after a gap, or the gap would hide
                self._lost += count

    def _rendered(self, event: Event) -> list[bytes]:
        if self.is_painted and self.format == "text":
            return as_painted(event)
        return RENDERERS[self.format](event)

    def show(self, lines: list[bytes]) -> None:
        """Write lines for a reader as they are, where the log is text that somebody may read."""
        if self.format == "text" and LEVELS.index("info") >= LEVELS.index(self.level):
            for _, chunk in packed(lines):
                self._put(chunk)

    def _confess(self, event: Event) -> None:
        """Before the first line that can be written again, say how many could not."""
        if not self._lost:
            return
        said = replace(
            event, level="warning", name=f"{self._lost} lines lost", fields={}, detail=""
        )
        if self.format == "json":
            said = replace(said, name="lines_lost", fields={"count": self._lost})
        [(_, chunk)] = packed(self._rendered(said))
        if self._put(chunk):
            self._lost = 0

    def _put(self, chunk: bytes) -> bool:
        try:
            return self.sink.put(chunk) == len(chunk)
        except OSError:  # the reader is gone, the disk is full: the log has no one to tell
            return False


_log = Log()


def configure(
    level: Level, format: Format, *, paints: bool = False, descriptor: int | None = None
) -> None:
    """Choose what is written, in which form, whether a terminal shows colours, and where to."""
    if descriptor is not None:
        _log.sink = Sink(descriptor)
    _log.level = level
    _log.format = format
    _log.is_painted = paints and os.isatty(_log.sink.fileno())


def is_painted() -> bool:
    """Whether it goes to a terminal that shows colours."""
    return _log.is_painted


def show(lines: list[str]) -> None:
    """Write lines for a reader; where the log is for machines there is none."""
    _log.show([line.encode(errors="backslashreplace") for line in lines])


def relay(level: Level, event: str, /, **fields: object) -> None:
    """Write what the application says: its own `logging` has decided that it is wanted."""
    _log.put(level, event, fields)


def debug(event: str, /, **fields: object) -> None:
    _log.write("debug", event, fields)


def info(event: str, /, **fields: object) -> None:
    _log.write("info", event, fields)


def warning(event: str, /, **fields: object) -> None:
    _log.write("warning", event, fields)


def error(event: str, /, **fields: object) -> None:
    _log.write("error", event, fields)
