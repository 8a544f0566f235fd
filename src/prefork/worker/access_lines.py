"""A request as one line of the access log: values in, text out.

All text is ASCII; nothing that a client sends can end its quotes or start a line.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Protocol

from prefork.http.forwarded import Address, Forwarded
from prefork.http.head import Beginning, Head
from prefork.http.rules import Field

REFERER, AGENT = b"referer", b"user-agent"
LEARNED = 1024  # values whose spelling is remembered: user agents repeat
LEARNED_BYTES = 512  # of one of them
# In every locale.
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

NOTHING = '"method":null,"path":null,"version":null'
_ESCAPES = {code: f"\\x{code:02X}" for code in (*range(0x20), *range(0x7F, 0x100))}
_ESCAPES |= {ord(char): "\\" + char for char in '"\\'}


class Origin(Protocol):
    """The connection that a request came over.

    A client repeats itself: to compare six fields costs 0.4 µs, to look for two of them 1.0.
    """

    origin: str  # the client, as `client` spelled it
    told: list[Field] | None  # the fields of the request before, and
    tail: str  # how its line ended


class Noted(Protocol):
    """A request that is over. *ended*, and so *began*, only where the format is timed."""

    @property
    def carrier(self) -> Origin: ...
    @property
    def method(self) -> str: ...  # empty where nothing is known of the head
    @property
    def target(self) -> bytes: ...
    @property
    def version(self) -> str: ...
    @property
    def fields(self) -> list[Field]: ...
    @property
    def forwarded(self) -> Forwarded | None: ...
    @property
    def status(self) -> int: ...
    @property
    def size(self) -> int: ...

    began: float
    ended: float


class Lines(Protocol):
    """A format."""

    is_timed: bool

    def tick(self, wall: float, now: float) -> None:
        """Set the clock, to Unix and monotonic seconds; at least twice a second."""

    def client(self, address: Address | None) -> str:
        """Spell a client's host; None: over a Unix socket, or unknown."""

    def render(self, noted: Iterable[Noted]) -> list[str]:
        """Give the line of each."""


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

    def client(self, address: Address | None) -> str:
        return self._values[None if address is None else address[0].encode()]

    def render(self, noted: Iterable[Noted]) -> list[str]:
        values, targets, stamp = self._values, self._targets, self._stamp
        lines = []
        for each in noted:
            request = "-"
            if each.method:
                request = f"{each.method} {targets[each.target]} HTTP/{each.version}"
            carrier, told = each.carrier, each.forwarded
            origin = carrier.origin if told is None else self.client(told.client)
            if carrier.told != each.fields:
                referer, agent = _named(each.fields)
                carrier.told = each.fields
                carrier.tail = f'"{values[referer]}" "{values[agent]}"\n'
            lines.append(
                f'{origin} - - [{stamp}] "{request}" {each.status} {each.size} {carrier.tail}'
            )
        return lines


class Json:
    """One object a line; what is absent is null."""

    is_timed = True

    def __init__(self, pid: int) -> None:
        self._end = f',"pid":{pid}}}\n'
        self._targets = Spelling(quoted, "null")
        self._values = Spelling(quoted, "null")
        self._offset = 0.0  # of the wall clock from the monotonic one
        self._latest = self._second = 0  # millisecond and second, and
        self._stamp = self._until_second = ""  # how they are spelled: many requests end in one

    def tick(self, wall: float, now: float) -> None:
        self._offset = wall - now

    def client(self, address: Address | None) -> str:
        return self._values[None if address is None else address[0].encode()]

    def render(self, noted: Iterable[Noted]) -> list[str]:
        values, targets, end = self._values, self._targets, self._end
        lines = []
        for each in noted:
            millisecond = int((each.ended + self._offset) * 1000)
            if millisecond != self._latest:
                self._set(millisecond)
            request = NOTHING
            if each.method:
                path = targets[each.target]
                request = f'"method":"{each.method}","path":{path},"version":"{each.version}"'
            carrier, told = each.carrier, each.forwarded
            origin = carrier.origin if told is None else self.client(told.client)
            if carrier.told != each.fields:
                referer, agent = _named(each.fields)
                carrier.told = each.fields
                carrier.tail = f'"referer":{values[referer]},"user_agent":{values[agent]}{end}'
            lines.append(
                f'{{"time":"{self._stamp}","client":{origin},{request},'
                f'"status":{each.status},"bytes":{each.size},'
                f'"duration_ms":{(each.ended - each.began) * 1000:.3f},{carrier.tail}'
            )
        return lines

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


def _named(fields: list[Field]) -> tuple[bytes | None, bytes | None]:
    """The values of Referer and User-Agent; of several the last."""
    referer = agent = None
    for name, value in fields:
        if name == AGENT:
            agent = value
        elif name == REFERER:
            referer = value
    return referer, agent


def shortened(request: Noted) -> Iterator["Note"]:
    """The request with ever less of what is longest in it."""
    named = [field for field in request.fields if field[0] in (REFERER, AGENT)]
    most = max(len(value) for _, value in ((b"", request.target), *named))
    while most := most // 2:
        fields = [(name, _cut(value, most)) for name, value in named]
        target = _cut(request.target, most)
        head = Beginning(request.method, target, request.version, fields, request.forwarded)
        note = Note(request.carrier, head, request.status, request.size)
        if hasattr(request, "ended"):
            note.began, note.ended = request.began, request.ended
        yield note


class Note:
    """A request that was not answered in the ordinary way; *head*: what is known of it."""

    __slots__ = (
        *("began", "carrier", "ended", "fields", "forwarded", "method", "size", "status"),
        *("target", "version"),
    )

    def __init__(self, carrier: Origin, head: Head | None, status: int, size: int) -> None:
        head = head or UNKNOWN
        self.carrier = carrier
        self.method, self.target, self.version = head.method, head.target, head.version
        self.fields, self.forwarded = head.fields, head.forwarded
        self.status = status
        self.size = size
        self.began = self.ended = 0.0


UNKNOWN = Beginning("", b"", "", [])


def _cut(value: bytes, most: int) -> bytes:
    return value if len(value) <= most else value[:most] + b"..."
