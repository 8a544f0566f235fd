import pytest
from tests.http.requests import LIMITS

from prefork.http.errors import Refused
from prefork.http.rules import Field, check, check_trailers, measure_fields, measure_line, path_of


def facts_of(notable: list[Field], version: str) -> dict[bytes, bytes]:
    facts = dict(notable)
    check(notable, facts, version)
    return facts


def status_of(refusal: pytest.ExceptionInfo[Refused]) -> int:
    return refusal.value.status


def test_the_notable_headers_are_told_by_name() -> None:
    assert facts_of([(b"host", b"a"), (b"expect", b"100-Continue")], "1.1") == {
        b"host": b"a",
        b"expect": b"100-Continue",
    }


@pytest.mark.parametrize("version", ["0.9", "2.0"])
def test_other_versions_are_refused(version: str) -> None:
    with pytest.raises(Refused) as refusal:
        facts_of([(b"host", b"a")], version)
    assert status_of(refusal) == 505


def test_a_connection_header_may_be_repeated_and_a_host_may_not() -> None:
    facts_of([(b"host", b"a"), (b"connection", b"x"), (b"connection", b"close")], "1.1")
    with pytest.raises(Refused, match="several host"):
        facts_of([(b"host", b"a"), (b"host", b"a")], "1.1")


@pytest.mark.parametrize(
    ("coding", "version", "status"),
    [
        (b"gzip, chunked", "1.1", 501),
        (b"gzip", "1.1", 400),
        (b"xchunked", "1.1", 400),
        (b"chunked", "1.0", 400),
    ],
)
def test_a_transfer_coding_other_than_chunked_is_refused(
    coding: bytes, version: str, status: int
) -> None:
    with pytest.raises(Refused) as refusal:
        facts_of([(b"host", b"a"), (b"transfer-encoding", coding)], version)
    assert status_of(refusal) == status


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"http://a", b"/"),
        (b"HTTP://A/x/y", b"/x/y"),
        (b"https://a?q=/x", b"/"),
        (b"http://a/b?c", b"/b"),
    ],
)
def test_an_absolute_target_has_a_path(target: bytes, path: bytes) -> None:
    assert path_of("GET", target, b"a") == path


@pytest.mark.parametrize(
    ("target", "host"),
    [
        (b"http://a:80/", b"a"),
        (b"http://a/", b"A:80"),
        (b"http://a:/", b"a"),
        (b"HTTPS://a:443/", b"a"),
        (b"http://[::1]/", b"[::1]:80"),
    ],
)
def test_a_port_that_goes_without_saying_makes_no_difference(target: bytes, host: bytes) -> None:
    assert path_of("GET", target, host) == b"/"


@pytest.mark.parametrize(
    ("target", "host"),
    [(b"http://a:443/", b"a"), (b"https://a:80/", b"a"), (b"http://a/", b"a:8080")],
)
def test_any_other_port_does(target: bytes, host: bytes) -> None:
    with pytest.raises(Refused, match="different authorities"):
        path_of("GET", target, host)


def test_a_trailer_says_nothing_that_must_be_known_before_the_body() -> None:
    check_trailers([(b"digest", b"x"), (b"x-host", b"a")], LIMITS)
    for name in (b"host", b"content-length", b"authorization"):
        with pytest.raises(Refused, match="as a trailer") as refusal:
            check_trailers([(b"digest", b"x"), (name, b"a")], LIMITS)
        assert status_of(refusal) == 400


@pytest.mark.parametrize(
    "target", [b"http://b/", b"http://u@a/", b"http:///", b"ftp://a/", b"a:80", b"*"]
)
def test_other_targets_are_refused(target: bytes) -> None:
    with pytest.raises(Refused):
        path_of("GET", target, b"a")


def test_the_asterisk_is_for_options() -> None:
    assert path_of("OPTIONS", b"*", b"a") == b"*"


def test_sizes_are_measured_to_the_byte() -> None:
    line = 8192 - len("GET  HTTP/1.1")
    measure_line(b"GET", b"x" * line, LIMITS)
    with pytest.raises(Refused, match="request line"):
        measure_line(b"GET", b"x" * (line + 1), LIMITS)
    value = 16384 - len("x: \r\n")
    measure_fields([(b"x", b"v" * value)], LIMITS)
    with pytest.raises(Refused, match="a header field is"):
        measure_fields([(b"x", b"v" * (value + 1))], LIMITS)
    measure_fields([(b"x", b"v" * value)] * 4, LIMITS)
    with pytest.raises(Refused, match="the header fields are"):
        measure_fields([(b"x", b"v" * value)] * 4 + [(b"x", b"")], LIMITS)
    measure_fields([(b"x", b"")] * 128, LIMITS)
    with pytest.raises(Refused, match="too many"):
        measure_fields([(b"x", b"")] * 129, LIMITS)
