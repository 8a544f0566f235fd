import pytest

from prefork.http import fields
from prefork.http.errors import FramingError, Refused
from prefork.http.fields import Kind, learn_host, learn_name, learn_value


@pytest.mark.parametrize("name", [b"x-request-id", b"X!#$%&'*+-.^_`|~9", b"ETag"])
def test_a_token_is_a_header_name(name: bytes) -> None:
    assert learn_name(name) == (b"\r\n" + name + b": ", Kind.PLAIN)


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\nb", b"\xe4", b"a\0", "str", None, 5])
def test_anything_else_is_no_header_name(name: object) -> None:
    with pytest.raises(FramingError, match="no header name"):
        learn_name(name)


def test_the_names_that_frame_a_message_are_recognised_in_any_case() -> None:
    kinds = [learn_name(name)[1] for name in (b"Content-Length", b"CONNECTION", b"date")]
    assert kinds == [Kind.LENGTH, Kind.CONNECTION, Kind.DATE]


@pytest.mark.parametrize("value", [b"a\rb", b"a\nb", b"\0"])
def test_a_value_that_would_break_the_stream_is_an_error(value: bytes) -> None:
    with pytest.raises(FramingError, match="CR, LF or NUL"):
        learn_value(value)


def test_a_value_must_be_bytes() -> None:
    with pytest.raises(FramingError, match="must be bytes"):
        learn_value("text")


@pytest.mark.parametrize(
    "host", [b"", b"a", b"a:80", b"a:", b"127.0.0.1:8000", b"[::1]:80", b"[v1.x]", b"a_b", b"%41"]
)
def test_a_well_formed_host_is_accepted(host: bytes) -> None:
    learn_host(host)


@pytest.mark.parametrize(
    "host", [b"a b", b"a/c", b"a,b:x", b"u@a", b"[::1", b"::1", b"a:b", b"\xff", b"a?b", b"a#b"]
)
def test_a_malformed_host_is_refused(host: bytes) -> None:
    with pytest.raises(Refused, match="malformed Host"):
        learn_host(host)


def test_what_is_remembered_is_bounded() -> None:
    for number in range(3 * fields.LEARNED):
        learn_value(b"value-%d" % number)
        learn_name(b"name-%d" % number)
        learn_host(b"host-%d" % number)
    assert len(fields.VALUES) <= fields.LEARNED
    assert len(fields.NAMES) <= fields.LEARNED
    assert len(fields.HOSTS) <= fields.LEARNED


def test_long_values_are_accepted_and_not_remembered() -> None:
    value = b"x" * (fields.LEARNED_BYTES + 1)
    learn_value(value)
    learn_name(value)
    learn_host(value)
    assert value not in fields.VALUES
    assert value not in fields.NAMES
    assert value not in fields.HOSTS


def test_only_final_statuses_have_a_line() -> None:
    assert 101 not in fields.STATUS_LINES
    assert fields.STATUS_LINES[404] == b"HTTP/1.1 404 Not Found"
    assert fields.STATUS_LINES[799] == b"HTTP/1.1 799 Unknown"
