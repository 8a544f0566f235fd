"""What a handler answers with, and what else it may return instead."""

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import Any

import msgspec

Text = str | bytes
Headings = Mapping[str, str] | Iterable[tuple[Text, Text]]
Fields = list[tuple[bytes, bytes]]

TEXT = b"text/plain; charset=utf-8"
BYTES = b"application/octet-stream"
JSON = b"application/json"
WHOLE = (str, bytes, dict)  # bodies that come in one piece
PLAIN: dict[type, tuple[bytes, Callable[[Any], bytes]]] = {  # exact type → content type, encoder
    str: (TEXT, str.encode),
    bytes: (BYTES, bytes),
    dict: (JSON, msgspec.json.encode),
}


class Response:
    """What a handler may return: *body* is `str`, `bytes`, a `dict` (sent as JSON), or an async
    iterator of pieces.

    *headers* is a mapping or an iterable of pairs. A content type is added where there is none. A
    handler may also return a body alone, or a pair of status and body.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        body: str | bytes | dict[Any, Any] | AsyncIterable[Text] = b"",
        status: int = 200,
        headers: Headings = (),
    ) -> None:
        self.body = body
        self.status = status
        self.headers = headers


def parts_of(returned: Any) -> tuple[int, Headings, Any]:
    """Status, headers and body that a handler meant. Raises TypeError for a malformed pair."""
    if isinstance(returned, Response):
        return returned.status, returned.headers, returned.body
    if isinstance(returned, tuple):
        if len(returned) != 2 or not isinstance(returned[0], int):  # noqa: PLR2004
            raise TypeError("a handler's pair must be (status, body)")
        return returned[0], (), returned[1]
    return 200, (), returned


def fields_of(headers: Headings, content_type: bytes) -> Fields:
    """The headers as bytes, with a content type."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    fields = [(_latin(name), _latin(value)) for name, value in pairs]
    if any(name.lower() == b"content-type" for name, _ in fields):
        return fields
    return [(b"content-type", content_type), *fields]


def encode(body: Any) -> tuple[bytes, bytes]:
    """A body as bytes, and its content type. Raises TypeError for what is no body."""
    if isinstance(body, str):
        return body.encode(), TEXT
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body), BYTES
    if isinstance(body, dict):
        return msgspec.json.encode(body), JSON
    raise TypeError(
        f"a handler must return a Response, str, bytes, dict or (status, body), not {body!r}"
    )


def _latin(text: Text) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text
