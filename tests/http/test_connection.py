import gc
import weakref
from typing import Any

import pytest
from tests.http.corpus import CHUNKED, post
from tests.http.requests import GET, LIMITS, connection, only, parsed, refused

from prefork.http.connection import Connection
from prefork.http.exchange import Exchange

POST = post()[:-2]


def test_a_request_is_taken_apart() -> None:
    exchange = only(b"GET /a%20b%C3%A4?x=%20&y HTTP/1.1\r\nHost: a\r\nX-Y: 1\r\nx-y:  2 \r\n\r\n")
    assert (exchange.method, exchange.version, exchange.keep_alive) == ("GET", "1.1", True)
    assert (exchange.path, exchange.raw_path) == ("/a bä", b"/a%20b%C3%A4")
    assert exchange.query_string == b"x=%20&y"
    assert exchange.fields == [(b"host", b"a"), (b"x-y", b"1"), (b"x-y", b"2")]
    assert exchange.body_complete


def test_trailers_are_not_headers() -> None:
    trailers = b"1\r\nx\r\n0\r\nT: y\r\nX-Sum: z\r\n\r\n"
    first, second = parsed(CHUNKED + trailers + GET).ready
    assert first.fields == [(b"host", b"a"), (b"transfer-encoding", b"chunked")]
    assert second.fields == [(b"host", b"a")]


def test_the_body_of_an_ignored_upgrade_is_a_body() -> None:
    upgrade = POST + b"Connection: upgrade\r\nUpgrade: h2c\r\n"
    counted = b"Content-Length: 3\r\n\r\nabc"
    chunked = b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    for body in (counted, chunked):
        first, second = parsed(upgrade + body + GET).ready
        assert first.take() == b"abc"
        assert first.fields[0] == (b"host", b"a")
        assert (second.method, second.path) == ("GET", "/")


def test_a_thousand_upgrades_in_one_read_are_no_recursion() -> None:
    upgrade = GET[:-2] + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert len(parsed(upgrade * 5000).ready) == 5000


def test_a_body_grows_inside_its_exchange() -> None:
    made = parsed(POST + b"Content-Length: 4\r\n\r\nab")
    (exchange,) = made.ready
    assert (exchange.take(), exchange.body_complete, made.in_body) == (b"ab", False, True)
    made.feed(b"cd")
    assert (exchange.take(), exchange.body_complete, made.in_body) == (b"cd", True, False)


def test_a_first_byte_is_a_head() -> None:
    made = connection()
    assert not made.in_head
    made.feed(b"\r\n")
    assert not made.in_head
    made.feed(b"G")
    assert made.in_head


def test_a_body_over_the_limit_is_refused_when_it_is_announced() -> None:
    assert refused(POST + b"Content-Length: 5\r\n\r\n", body=4) == 413
    assert refused(POST + b"Content-Length: 4\r\n\r\nabcd", body=4) == 0


def test_chunks_over_the_limit_are_refused_when_they_come() -> None:
    assert refused(CHUNKED + b"4\r\nabcd\r\n", body=4) == 0
    assert refused(CHUNKED + b"4\r\nabcd\r\n1\r\ne\r\n", body=4) == 413


def test_a_request_whose_body_breaks_is_not_begun() -> None:
    made = parsed(CHUNKED + b"1\r\nxy")
    assert (list(made.ready), made.in_body) == ([], False)


def test_a_request_that_was_begun_stays_unfinished_when_its_body_breaks() -> None:
    made = parsed(CHUNKED)
    exchange = made.ready.pop(0)
    made.feed(b"x\r\n")
    assert made.refusal is not None
    assert made.in_body
    assert not exchange.body_complete


def test_a_head_without_end_is_refused_before_it_ends() -> None:
    made = parsed(b"GET / HTTP/1.1\r\nX: ", *[b"x" * 1000] * 80)
    assert made.refusal is not None
    assert made.refusal.status == 431
    made = parsed(b"GET /", *[b"x" * 1000] * 9)
    assert made.refusal is not None
    assert made.refusal.status == 414


def test_heads_that_are_all_cut_in_two_are_not_taken_for_one() -> None:
    made = parsed(GET[:5], *[GET[5:] + GET[:5]] * 5000)
    assert made.refusal is None
    assert len(made.ready) == 5000


def test_chunk_extensions_without_end_are_refused() -> None:
    made = parsed(CHUNKED, b"1;", *[b"x" * 1000] * 80)
    assert made.refusal is not None
    assert made.refusal.status == 400


def test_trailers_without_end_are_refused() -> None:
    made = parsed(CHUNKED, b"0\r\n", *[b"X: y\r\n"] * 200)
    assert made.refusal is not None
    assert made.refusal.status == 431


def test_many_small_chunks_are_no_abuse() -> None:
    made = parsed(CHUNKED, *[b"1\r\nx\r\n" * 100] * 1000, b"0\r\n\r\n")
    assert made.refusal is None
    (exchange,) = made.ready
    assert exchange.received == 100_000


def test_nothing_is_parsed_after_a_refusal() -> None:
    made = parsed(b"nonsense\r\n\r\n")
    made.feed(GET)
    assert made.ended
    assert not made.ready


def test_an_error_of_our_own_is_not_blamed_on_the_peer() -> None:
    class Broken(Exchange):
        def __init__(self, *_: Any) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Connection(LIMITS, Broken).feed(GET)


class Watched(Exchange):
    """An exchange of which it can be told when it is gone."""

    __slots__ = ("__weakref__",)


def test_a_closed_connection_leaves_no_reference_cycle() -> None:
    gc.collect()
    gc.disable()
    try:
        made = Connection(LIMITS, Watched)
        made.feed(GET)
        exchange = weakref.ref(made.ready[0])
        made.close()
        del made
        assert exchange() is None
    finally:
        gc.enable()
