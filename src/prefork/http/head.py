"""What is known of a request whose head was not completed, or was refused."""

from typing import NamedTuple, Protocol, Self

import httptools

from prefork.http.forwarded import Forwarded
from prefork.http.rules import Field


class Head(Protocol):
    """A request's head, as far as it must be known to tell of the request."""

    @property
    def method(self) -> str: ...
    @property
    def target(self) -> bytes: ...
    @property
    def version(self) -> str: ...
    @property
    def fields(self) -> list[Field]: ...
    @property
    def forwarded(self) -> Forwarded | None: ...


class Beginning(NamedTuple):
    """A head without an exchange. Its request line is complete, its fields may not be."""

    method: str
    target: bytes
    version: str
    fields: list[Field]
    forwarded: Forwarded | None = None  # it isn't looked for

    @classmethod
    def parsed(
        cls, parser: httptools.HttpRequestParser, target: bytes, fields: list[Field]
    ) -> Self:
        """Take from the parser what it knows itself."""
        method: bytes = parser.get_method()
        return cls(method.decode(), target, parser.get_http_version(), fields)
