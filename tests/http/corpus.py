"""What HTTP/1.1 has a server do with requests of all shapes: each rule by name, RFC and example.

Three lists are made of it: what is served, what is served though the grammar has no place for it,
and what is refused. `docs/reference/http.md` has its tables from here.
"""

from dataclasses import dataclass

from tests.http.requests import GET

Seen = tuple[str, str, bytes]  # of one request: method, decoded path, body


@dataclass(frozen=True)
class Rule:
    """What is so of requests of one kind."""

    says: str
    rfc: str
    status: int  # with which they are refused; 0: they are served
    examples: dict[str, bytes]  # by name


@dataclass(frozen=True)
class Case:
    """One request, or several on one connection, as bytes."""

    name: str
    rfc: str
    data: bytes
    status: int  # of the refusal, before which no request of it is served; 0: none is refused
    seen: tuple[Seen, ...] = ()

    def __repr__(self) -> str:
        return self.name


def cases(rules: list[Rule]) -> list[Case]:
    """The examples of all rules."""
    return [
        Case(name, rule.rfc, data, rule.status)
        for rule in rules
        for name, data in rule.examples.items()
    ]


def get(*fields: bytes) -> bytes:
    """A GET with these fields beside its Host."""
    return b"".join((GET[:-2], *(field + b"\r\n" for field in fields), b"\r\n"))


def line(text: bytes) -> bytes:
    """A request with this line, which ends as it says."""
    return text + b"Host: a\r\n\r\n"


def post(*fields: bytes) -> bytes:
    """The head of a POST."""
    return b"POST" + get(*fields)[len(b"GET") :]


def host(value: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: " + value + b"\r\n\r\n"


def named(title: str, data: bytes, *others: bytes) -> dict[str, bytes]:
    """Examples that differ in one value."""
    return {f"{title} {value.decode('latin-1')!r}": data % value for value in others}


# 65,536 bytes with their names and line ends, beside the 9 of `Host: a`.
FULL = [b"X: " + b"x" * 16_379] * 3 + [b"X: " + b"x" * 16_370]


CHUNKED = post(b"Transfer-Encoding: chunked")
END = b"0\r\n\r\n"


def chunks(text: bytes) -> bytes:
    """A POST with this chunked body."""
    return CHUNKED + text
