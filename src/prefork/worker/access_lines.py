"""A request as one line of the access log: values in, text out.

All text is ASCII; nothing that a client sends can end its quotes or start a line.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from time import monotonic
from typing import Protocol

from prefork.http.head import Beginning, Head

REFERER, AGENT = b"referer", b"user-agent"
LEARNED = 1024  # values whose spelling is remembered: user agents repeat
LEARNED_BYTES = 512  # of one of them
# In every locale.
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

NOTHING = '"method":null,"path":null,"version":null'
_ESCAPES = {code: f"\\x{code:02X}" for code in (*range(0x20), *range(0x7F, 0x100))}
_ESCAPES |= {ord(char): "\\" + char for char in '"\\'}


class Lines(Protocol):
    """A format. *began* is monotonic; it may be anything where the format isn't timed."""

    is_timed: bool

    def tick(self, wall: float, now: float) -> None:
        """Set the clock, to Unix and monotonic seconds; at least twice a second."""

    def client(self, host: str | None) -> str:
        """Spell a client's address, None over a Unix socket, as `line` wants it."""

    def line(self, client: str, head: Head | None, status: int, size: int, began: float) -> str:
        """Tell of a request that ends now. *head*: None where nothing is known of it."""


class Combined:
    """As Apache and nginx do. Its clock is the tick's."""

    is_timed = False

    def __init__(self) -> None:
        self._targets = Spelling(escaped, "-")
        self._values = Spelling(escaped, "-")
        self._stamp = ""

    def tick(self, wall: float, now: float) -> None:  # noqa: ARG002
        at = datetime.fromtimestamp(wall, UTC)
        self._stamp = f"{at:%d}/{MONTHS[at.month - 1]}/{at:%Y:%H:%M:%S} +0000"

    def client(self, host: str | None) -> str:
        return self._values[None if host is None else host.encode()]

    def line(self, client: str, head: Head | None, status: int, size: int, began: float) -> str:  # noqa: ARG002
        if head is None:
            return f'{client} - - [{self._stamp}] "-" {status} {size} "-" "-"\n'
        referer = agent = None
        for name, value in head.fields:
            if name == AGENT:
                agent = value
            elif name == REFERER:
                referer = value
        values = self._values
        return (
            f'{client} - - [{self._stamp}] "{head.method} {self._targets[head.target]} '
            f'HTTP/{head.version}" {status} {size} "{values[referer]}" "{values[agent]}"\n'
        )


class Json:
    """One object a line; what is absent is null."""

    is_timed = True

    def __init__(self, pid: int, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._end = f',"pid":{pid}}}\n'
        self._targets = Spelling(quoted, "null")
        self._values = Spelling(quoted, "null")
        self._offset = 0.0  # of the wall clock from the monotonic one
        self._latest = self._second = 0  # millisecond and second, and
        self._stamp = self._until_second = ""  # how they are spelled: many requests end in one

    def tick(self, wall: float, now: float) -> None:
        self._offset = wall - now

    def client(self, host: str | None) -> str:
        return self._values[None if host is None else host.encode()]

    def line(self, client: str, head: Head | None, status: int, size: int, began: float) -> str:
        now = self._now()
        millisecond = int((now + self._offset) * 1000)
        if millisecond != self._latest:
            self._set(millisecond)
        request = NOTHING
        referer = agent = None
        if head is not None:
            path = self._targets[head.target]
            request = f'"method":"{head.method}","path":{path},"version":"{head.version}"'
            for name, value in head.fields:
                if name == AGENT:
                    agent = value
                elif name == REFERER:
                    referer = value
        values = self._values
        return (
            f'{{"time":"{self._stamp}","client":{client},{request},"status":{status},'
            f'"bytes":{size},"duration_ms":{(now - began) * 1000:.3f},'
            f'"referer":{values[referer]},"user_agent":{values[agent]}{self._end}'
        )

    def _set(self, millisecond: int) -> None:
        self._latest = millisecond
        second, part = divmod(millisecond, 1000)
        if second != self._second:
            self._second = second
            self._until_second = f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"
        self._stamp = f"{self._until_second}.{part:03d}Z"


class Spelling(dict[bytes | None, str]):
    """Values as a line has them; None: absent. Bounded, and emptied when full: clients choose."""

    def __init__(self, spell: Callable[[bytes], str], absent: str) -> None:
        super().__init__()
        self._spell = spell
        self._absent = absent

    def __missing__(self, value: bytes | None) -> str:
        text = self._absent if value is None else self._spell(value)
        if value is None or len(value) <= LEARNED_BYTES:
            if len(self) >= LEARNED:
                self.clear()
            self[value] = text
        return text


def escaped(value: bytes) -> str:
    """As Apache and nginx have it between quotes; other than ASCII byte by byte."""
    text = value.decode("latin-1")
    return text if _is_plain(text) else text.translate(_ESCAPES)


def quoted(value: bytes) -> str:
    """A JSON string; bytes that are no UTF-8 are spelled out."""
    text = value.decode(errors="backslashreplace")
    return f'"{text}"' if _is_plain(text) else json.dumps(text).replace("\x7f", "\\u007f")


def _is_plain(text: str) -> bool:  # half the time of a regular expression
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text


def shortened(head: Head) -> Iterator[Beginning]:
    """The head with ever less of what is longest in it."""
    named = [field for field in head.fields if field[0] in (REFERER, AGENT)]
    most = max(len(value) for _, value in ((b"", head.target), *named))
    while most := most // 2:
        fields = [(name, _cut(value, most)) for name, value in named]
        yield Beginning(head.method, _cut(head.target, most), head.version, fields)


def _cut(value: bytes, most: int) -> bytes:
    return value if len(value) <= most else value[:most] + b"..."
