import pytest

from prefork.http.errors import FramingError
from prefork.http.pieces import as_bytes, chunk


def test_a_chunk_has_its_size_in_hexadecimal_and_the_last_one_an_end() -> None:
    assert chunk(b"a" * 26, more=True) == b"1a\r\n" + b"a" * 26 + b"\r\n"
    assert chunk(b"ab", more=False) == b"2\r\nab\r\n0\r\n\r\n"


def test_an_empty_chunk_would_be_the_end() -> None:
    assert chunk(b"", more=True) == b""
    assert chunk(b"", more=False) == b"0\r\n\r\n"


def test_a_body_is_bytes_or_nearly() -> None:
    assert as_bytes(bytearray(b"a")) == as_bytes(memoryview(b"a")) == b"a"
    with pytest.raises(FramingError, match="not str"):
        as_bytes("a")
