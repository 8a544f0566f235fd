"""Who a request is from, and by which scheme, as the proxies say that it came through.

A proxy adds whom it was asked by to the end of what it was told. So from the right: the peer wrote
the last of it, whom that names wrote the one before, and so on, as long as these are trusted. The
first who is not is the client, and what stands left of it may be invented: it isn't even read.

Only one kind of header is read, the one that the proxies set: the other passes through them as the
client wrote it.
"""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Literal, NamedTuple

from prefork.http.errors import Refused
from prefork.http.rules import Field
from prefork.settings.peers import Peers

Address = tuple[str, int | None]
Headers = Literal["x-forwarded", "forwarded"]

FORWARDING = FOR, PROTO, STANDARD = b"x-forwarded-for", b"x-forwarded-proto", b"forwarded"
MOST_HOPS = 64  # between two hosts of the Internet are no more; 10,000 would take 60 ms
LEARNED = 1024  # hops that are remembered, and
LEARNED_BYTES = 64  # of one: clients may choose them
BLANKS = b" \t"
_LAST_PORT = 65535
_SCHEMES = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_TEXT = rb"[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff]"  # what may be quoted
_PAIR = re.compile(  # RFC 7239, section 4, but that some write blanks at a semicolon
    rb"[ \t]*+(?:(%b)=(?:(%b)|\"((?:%b)*+)\"))?[ \t]*+([;,]|\Z)" % (_TOKEN, _TOKEN, _TEXT)
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_ADDRESS = rb"\[(?P<six>[0-9a-f:.]+)\]|(?P<four>[0-9.]+)"
_NODES: dict[Headers, re.Pattern[bytes]] = {
    "forwarded": re.compile(  # RFC 7239, section 6
        rb"(?:%b|unknown|_[\w.\-]+)(?::(?:(?P<port>[0-9]{1,5})|_[\w.\-]+))?" % _ADDRESS,
        re.IGNORECASE,
    ),
    "x-forwarded": re.compile(  # no standard: what nginx, HAProxy, Squid and Azure write
        rb"(?:%b)(?::(?P<port>[0-9]{1,5}))?|(?P<bare>[0-9a-f]*:[0-9a-f:.]*)|unknown|(?P<unix>unix:)"
        % _ADDRESS,
        re.IGNORECASE,
    ),
}


class Forwarded(NamedTuple):
    """What is said of one request."""

    client: Address | None  # None: the proxies don't know it, or hide it; port 0: not told
    scheme: str  # http or https


class Hop(NamedTuple):
    """Whom one proxy was asked by."""

    client: Address | None
    is_trusted: bool  # so what it says in turn is believed


class Trust:
    """Which peers are believed, in which headers, and what was learned of hops."""

    __slots__ = ("_peers", "hops", "reads_standard")

    def __init__(self, peers: Peers, headers: Headers) -> None:
        self._peers = peers
        self.reads_standard = headers == "forwarded"
        self.hops = Hops(peers, headers)

    def proxy(self, client: Address | None, scheme: str) -> "Proxy | None":
        """Give what is asked about the requests of a connection; None: its peer is not believed."""
        host = None if client is None else client[0]
        return Proxy(self, client, scheme) if host in self._peers else None


class Hops(dict[bytes, Hop]):
    """Hops by how they are written. Raises Refused for one that is malformed."""

    def __init__(self, peers: Peers, headers: Headers) -> None:
        super().__init__()
        self._peers = peers
        self._node = _NODES[headers]
        self._title = "Forwarded" if headers == "forwarded" else "X-Forwarded-For"

    def __missing__(self, written: bytes) -> Hop:
        try:
            hop = self._read(written)
        except ValueError:
            raise Refused(400, f"malformed {self._title}") from None
        if len(written) <= LEARNED_BYTES:
            if len(self) >= LEARNED:
                self.clear()
            self[written] = hop
        return hop

    def _read(self, written: bytes) -> Hop:
        node = self._node.fullmatch(written)
        if node is None:
            raise ValueError
        found = {name: text.decode() for name, text in node.groupdict().items() if text}
        if "unix" in found:  # nginx's name for a client of its Unix socket
            return Hop(None, None in self._peers)
        port = int(found.get("port", 0))
        if port > _LAST_PORT:
            raise ValueError
        host = _host(found.get("four"), found.get("six") or found.get("bare"))
        return Hop(None, False) if host is None else Hop((host, port), host in self._peers)


class Proxy:
    """The trusted peer of one connection, as far as a request without such headers is its own."""

    __slots__ = ("_client", "_scheme", "_trust")

    def __init__(self, trust: Trust, client: Address | None, scheme: str) -> None:
        self._trust = trust
        self._client = client
        self._scheme = scheme

    def forwarded(self, notable: list[Field]) -> Forwarded | None:
        """What a request's headers say; None: nothing. Raises Refused where that is malformed."""
        if self._trust.reads_standard:
            lines = [value for name, value in notable if name == STANDARD]
            return self._standard(lines) if lines else None
        addresses = [value for name, value in notable if name == FOR]
        schemes = [value for name, value in notable if name == PROTO]
        if not addresses and not schemes:
            return None
        return Forwarded(self._client_of(addresses), self._scheme_of(schemes))

    def _client_of(self, lines: list[bytes]) -> Address | None:
        hops = self._trust.hops
        if len(lines) == 1 and lines[0] in hops:  # nearly always; and a third of the time
            return hops[lines[0]].client
        client = self._client
        for number, written in enumerate(_from_the_right(lines)):
            if number == MOST_HOPS:
                raise Refused(400, "too many hops in X-Forwarded-For")
            client, is_trusted = hops[written]
            if not is_trusted:
                break
        return client

    def _scheme_of(self, lines: list[bytes]) -> str:
        if len(lines) == 1 and lines[0] in _SCHEMES:  # likewise
            return _SCHEMES[lines[0]]
        schemes = {scheme.lower() for scheme in _from_the_right(lines)}
        if len(schemes) > 1:
            raise Refused(400, "contradictory X-Forwarded-Proto")
        return _scheme(schemes.pop()) if schemes else self._scheme

    def _standard(self, lines: list[bytes]) -> Forwarded:
        """RFC 7239. Line by line, so that a quote that a client left open ends with its line."""
        client, scheme = self._client, self._scheme
        hops = self._trust.hops
        for line in reversed(lines):
            for element in reversed(_elements(line)):
                proto = element.get(b"proto")
                scheme = self._scheme if proto is None else _scheme(proto.lower())
                if b"for" not in element:  # it doesn't say who wrote the one before
                    return Forwarded(client, scheme)
                client, is_trusted = hops[element[b"for"]]
                if not is_trusted:
                    return Forwarded(client, scheme)
        return Forwarded(client, scheme)


def _host(four: str | None, six: str | None) -> str | None:
    if four is not None:
        return str(IPv4Address(four))
    if six is None:
        return None
    address = IPv6Address(six)
    return str(address.ipv4_mapped or address)


def _scheme(proto: bytes) -> str:
    try:
        return _SCHEMES[proto]
    except KeyError:
        raise Refused(400, "malformed scheme in a forwarded header") from None


def _from_the_right(lines: list[bytes]) -> Iterator[bytes]:
    """Split lists that are one list (RFC 9110, section 5.3). Before the first there may be commas:
    some proxies add to an empty value."""
    joined = b",".join(lines).lstrip(b"," + BLANKS)
    return (each.strip(BLANKS) for each in reversed(joined.split(b",") if joined else ()))


def _elements(line: bytes) -> list[dict[bytes, bytes]]:
    """A line of Forwarded as its parameters. Raises Refused where it is malformed."""
    elements: list[dict[bytes, bytes]] = [{}]
    at, separator = 0, b";"
    while separator:
        pair = _PAIR.match(line, at)
        if pair is None or len(elements) > MOST_HOPS:
            raise Refused(400, "malformed Forwarded")
        name, plain, quoted, separator = pair.groups()
        at = pair.end()
        if name is not None:
            if name.lower() in elements[-1]:
                raise Refused(400, "malformed Forwarded")
            value = plain if quoted is None else _ESCAPED.sub(rb"\1", quoted)
            elements[-1][name.lower()] = value
        if separator == b",":
            elements.append({})
    return elements
