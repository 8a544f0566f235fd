from typing import Any

import pytest

from prefork.worker.response import BYTES, JSON, TEXT, Response, encode, fields_of, parts_of


@pytest.mark.parametrize(
    ("returned", "parts"),
    [
        ("x", (200, (), "x")),
        ((404, b"x"), (404, (), b"x")),
        (Response("x", 201, {"a": "b"}), (201, {"a": "b"}, "x")),
    ],
)
def test_what_a_handler_returns_has_three_parts(returned: Any, parts: Any) -> None:
    assert parts_of(returned) == parts


@pytest.mark.parametrize("pair", [(), (200,), ("200", "x"), (200, "x", {})])
def test_a_malformed_pair_is_told(pair: Any) -> None:
    with pytest.raises(TypeError, match=r"must be \(status, body\)"):
        parts_of(pair)


def test_a_content_type_is_added_where_there_is_none() -> None:
    assert fields_of({"x": "ä"}, TEXT) == [(b"content-type", TEXT), (b"x", b"\xe4")]
    assert fields_of([(b"Content-TYPE", "a")], TEXT) == [(b"Content-TYPE", b"a")]


@pytest.mark.parametrize(
    ("body", "encoded"),
    [
        ("ä", ("ä".encode(), TEXT)),
        (b"x", (b"x", BYTES)),
        (memoryview(b"x"), (b"x", BYTES)),
        ({"a": None}, (b'{"a":null}', JSON)),
    ],
)
def test_a_body_becomes_bytes_and_a_content_type(body: Any, encoded: Any) -> None:
    assert encode(body) == encoded


def test_what_is_no_body_is_told() -> None:
    with pytest.raises(TypeError, match="not None"):
        encode(None)
