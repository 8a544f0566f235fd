"""The small vocabularies of HTTP/1.1: status lines, methods, header names and values, hosts, paths.

Names, values, hosts and paths are learned: looked up, and checked on a miss. All are bounded and
emptied when full, because a peer may choose them.
"""

import re
from enum import IntEnum
from http import HTTPStatus
from ipaddress import AddressValueError, IPv6Address
from typing import Any
from urllib.parse import unquote

from prefork.http.errors import FramingError, Refused

SLASH, HASH, PERCENT = b"/#%"  # `b"#" in target` costs 0.25 µs on 3.11, `35 in target` 0.05

LEARNED = 1024  # entries; an application has some dozens of names and values that repeat
LEARNED_BYTES = 64  # of one value or host; longer ones (cookies, tokens) seldom repeat

# What llhttp also parses, and we don't serve: CONNECT, PRI, and the methods of RTSP and ICE.
METHODS = {
    name.encode(): name
    for name in (
        *("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "QUERY"),
        *("PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "SEARCH", "REPORT"),
        *("BIND", "REBIND", "UNBIND", "ACL", "LINK", "UNLINK", "PURGE", "MKCALENDAR"),
        *("MKACTIVITY", "CHECKOUT", "MERGE", "M-SEARCH", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE"),
    )
}

# Request headers that decide how a message is framed, whether it is refused, or whose it is.
NOTABLE = frozenset(
    (
        *(b"host", b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade"),
        *(b"x-forwarded-for", b"x-forwarded-proto", b"forwarded"),
    )
)

# What decides how a message is framed, routed, authenticated or read must be known before its body:
# RFC 9110, section 6.5.1. We drop all trailers; who is behind us or before us may not.
NO_TRAILERS = frozenset(
    (
        *(b"content-length", b"transfer-encoding", b"trailer", b"te", b"connection", b"upgrade"),
        *(b"host", b"max-forwards", b"expect", b"cache-control", b"pragma", b"range", b"if-range"),
        *(b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"),
        *(b"authorization", b"proxy-authorization", b"cookie", b"set-cookie"),
        *(b"content-encoding", b"content-type", b"content-range"),
    )
)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


# Final answers only: an application can't send a 1xx.
STATUS_LINES = {
    status: f"HTTP/1.1 {status} {_phrase(status)}".encode() for status in range(200, 1000)
}


class Kind(IntEnum):
    """What an answer's header means to the framing; PLAIN ones are only copied."""

    PLAIN = 0
    LENGTH = 1
    CODING = 2
    CONNECTION = 3
    DATE = 4


_KINDS = {
    b"content-length": Kind.LENGTH,
    b"transfer-encoding": Kind.CODING,
    b"connection": Kind.CONNECTION,
    b"date": Kind.DATE,
}
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, section 5.6.2
_BREAKING = re.compile(rb"[\r\n\0]")  # RFC 9110, section 5.5
_HOST = re.compile(  # RFC 9110, section 7.2: uri-host [":" port]; may be empty
    rb"(?:(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*|\[(?P<six>[0-9A-Fa-f:.]+)\]"
    rb"|\[[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~:]+\])(?::[0-9]*)?"
)

NAMES: dict[bytes, tuple[bytes, Kind]] = {}  # header name → (how its line begins, kind)
VALUES: set[bytes] = set()  # header values found harmless
HOSTS: set[bytes] = set()  # Host values found well-formed
PATHS: dict[bytes, str] = {}  # path as received → decoded; looking up costs half of decoding


def learn_name(name: Any) -> tuple[bytes, Kind]:
    """How a line with this header name begins. Raises FramingError for what is no name."""
    if not isinstance(name, bytes) or not _TOKEN.fullmatch(name):
        raise FramingError(f"{name!r} is no header name")
    known = (b"\r\n%b: " % name, _KINDS.get(name.lower(), Kind.PLAIN))
    if len(name) <= LEARNED_BYTES:
        if len(NAMES) >= LEARNED:
            NAMES.clear()
        NAMES[name] = known
    return known


def learn_value(value: Any) -> None:
    """Accept a header value. Raises FramingError where it would end the line, or isn't bytes."""
    if not isinstance(value, bytes):
        raise FramingError(f"{value!r} is no header value: it must be bytes")
    if _BREAKING.search(value):
        raise FramingError(f"the header value {value!r} contains CR, LF or NUL")
    _remember(VALUES, value)


def learn_host(host: bytes) -> None:
    """Accept a Host value. Raises Refused where it is malformed."""
    found = _HOST.fullmatch(host)
    if found is None or not _is_address(found["six"]):
        raise Refused(400, "malformed Host")
    _remember(HOSTS, host)


def _is_address(six: bytes | None) -> bool:
    try:
        return six is None or bool(IPv6Address(six.decode()))
    except AddressValueError:
        return False


def learn_path(raw: bytes) -> str:
    """Decode a path (RFC 3986, section 2.1). Raises Refused where it has a fragment."""
    if HASH in raw:
        raise Refused(400, "a fragment in the target")
    path = raw.decode("ascii")
    if PERCENT in raw:
        path = unquote(path)
    if len(raw) <= LEARNED_BYTES:
        if len(PATHS) >= LEARNED:
            PATHS.clear()
        PATHS[raw] = path
    return path


def _remember(known: set[bytes], value: bytes) -> None:
    if len(value) <= LEARNED_BYTES:
        if len(known) >= LEARNED:
            known.clear()
        known.add(value)
