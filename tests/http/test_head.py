import pytest
from tests.http.requests import GET, only, parsed

from prefork.http.head import Beginning

POST = b"POST /a?b HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize("target", [b"/", b"/a%20b?", b"/a?b=c", b"http://a/b?c", b"http://a"])
def test_an_exchange_has_the_target_as_it_was_received(target: bytes) -> None:
    assert only(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target).target == target


@pytest.mark.parametrize(
    "data",
    [
        POST + b"Host: b\r\n\r\n",  # refused by its head,
        POST + b"Content-Length: 11\r\n\r\n",  # by the length it announces,
        POST + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",  # by the body that follows,
        POST + b"X: y\r\n",  # or not complete
    ],
)
def test_what_is_known_of_an_unbegun_request_is_told(data: bytes) -> None:
    head = parsed(data, body=10).unbegun
    assert head is not None
    assert (head.method, head.target, head.version) == ("POST", b"/a?b", "1.1")
    assert head.fields[0] == (b"host", b"a")


@pytest.mark.parametrize("data", [b"", b"nonsense\r\n\r\n", b"GET /a HTTP/1.1\r\n", GET])
def test_nothing_is_told_of_a_request_line_that_may_be_a_part(data: bytes) -> None:
    assert parsed(data).unbegun is None


def test_an_unbegun_request_is_told_apart_from_the_one_before() -> None:
    made = parsed(POST + b"Content-Length: 0\r\n\r\n" + b"GET /x HTTP/1.0\r\nA: b\r\nC: d\r\n")
    assert made.unbegun == Beginning("GET", b"/x", "1.0", [(b"a", b"b")])
