"""The PROXY protocol, versions 1 and 2: whose a connection is, told before anything else on it.

https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt; sections in comments are of it.
"""

import re
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from prefork.errors import RemoteError
from prefork.settings.peers import unmapped

Address = tuple[str, int | None]  # host and port

LONGEST_LINE = 107  # bytes of version 1, with its end (section 2.1)
LONGEST = 16384  # bytes that may follow the fixed part of version 2; HAProxy's own buffer

_PREFIX = b"PROXY "
_LINE = re.compile(  # section 2.1; no zero before another digit
    rb"PROXY (?:UNKNOWN(?: .*)?|TCP(?:4 ([0-9.]+) ([0-9.]+)|6 ([0-9a-fA-F:.]+) ([0-9a-fA-F:.]+))"
    rb" (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4}))\r\n",
    re.DOTALL,
)
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED = 16  # bytes: signature, version and command, family, length
_VERSION, _LOCAL, _PROXY = 2, 0, 1
_LAST_PORT = 65535
# By family and transport, the bytes of one address; 0: those of no family that we could name.
_FAMILIES = {0x00: 0, 0x11: 4, 0x21: 16, 0x31: 108}


class MalformedError(RemoteError):
    """What arrived is no PROXY header."""


class Introduction(NamedTuple):
    """The ends of the connection that the proxy took; None: it has no address, or it isn't told."""

    client: Address | None
    local: Address | None


STRANGER = Introduction(None, None)


class Header:
    """Feed it what arrived, until it is complete."""

    __slots__ = ("_seen", "introduction", "is_complete")

    def __init__(self) -> None:
        self._seen = b""
        self.is_complete = False
        self.introduction: Introduction | None = None  # None: the proxy speaks for itself

    def feed(self, data: bytes) -> int:
        """Take what certainly is of the header; return how many bytes that is, one at least.

        Raises MalformedError.
        """
        before = len(self._seen)
        seen = self._seen + data[: _FIXED + LONGEST]
        size = _size(seen)
        self._seen = seen[:size]
        if size <= len(seen):
            self.is_complete = True
            read = _second if seen[0] == _SIGNATURE[0] else _first
            self.introduction = read(self._seen)
        return len(self._seen) - before


def _size(seen: bytes) -> int:
    """How long the header is that begins so; more than there is, where that isn't known yet."""
    if _SIGNATURE.startswith(seen[: len(_SIGNATURE)]):
        if len(seen) < _FIXED:
            return _FIXED
        length = int.from_bytes(seen[14:16])
        if length > LONGEST:
            raise MalformedError("its PROXY header is too long")
        return _FIXED + length
    if not _PREFIX.startswith(seen[: len(_PREFIX)]):
        raise MalformedError("it does not begin with a PROXY header")
    end = seen.find(b"\r\n", 0, LONGEST_LINE)
    if end < 0 and len(seen) >= LONGEST_LINE:
        raise MalformedError("its PROXY header is too long")
    return len(seen) + 1 if end < 0 else end + 2


def _first(seen: bytes) -> Introduction:
    """Read a line of version 1. UNKNOWN is a client without an address that could be told.

    Section 2.1 would take the proxy's own address for it; but it isn't the proxy, and may not have
    the rights that somebody gives to that.
    """
    line = _LINE.fullmatch(seen)
    if line is None:
        raise MalformedError("its PROXY header is malformed")
    four, own_four, six, own_six, port, own_port = (
        each and each.decode() for each in line.groups()
    )
    if port is None:
        return STRANGER
    try:
        if four is not None:
            hosts = str(IPv4Address(four)), str(IPv4Address(own_four))
        else:
            hosts = str(IPv6Address(six)), str(IPv6Address(own_six))
    except ValueError:
        raise MalformedError("its PROXY header is malformed") from None
    ports = int(port), int(own_port)
    if max(ports) > _LAST_PORT:
        raise MalformedError("its PROXY header is malformed")
    return _introduction(hosts, ports)


def _second(seen: bytes) -> Introduction | None:
    """Read version 2 (section 2.2). What follows the addresses (TLVs) is skipped."""
    version, command = divmod(seen[12], 16)
    if version != _VERSION or command not in (_LOCAL, _PROXY):
        raise MalformedError("its PROXY header has an unknown version or command")
    if command == _LOCAL:
        return None
    width = _FAMILIES.get(seen[13])
    if width is None:
        raise MalformedError("its PROXY header has a family that is not served")
    block = seen[_FIXED:]
    has_ports = width in (4, 16)
    if len(block) < 2 * width + 4 * has_ports:
        raise MalformedError("its PROXY header is too short for its addresses")
    if not has_ports:  # of a Unix socket a path is told, which is nobody's address
        return STRANGER
    kind = IPv4Address if width == 4 else IPv6Address  # noqa: PLR2004
    hosts = str(kind(block[:width])), str(kind(block[width : 2 * width]))
    ports = block[2 * width : 2 * width + 4]
    return _introduction(hosts, (int.from_bytes(ports[:2]), int.from_bytes(ports[2:])))


def _introduction(hosts: tuple[str, str], ports: tuple[int, int]) -> Introduction:
    client, local = ((unmapped(host), port) for host, port in zip(hosts, ports, strict=True))
    return Introduction(client, local)
