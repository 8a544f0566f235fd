import gc
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.http.requests import GET, LIMITS, connection, only, parsed, refused

from prefork.http.connection import Connection
from prefork.http.exchange import Exchange

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

VALID = {
    "plain": GET,
    "empty lines before it": b"\r\n\r\n" + GET,
    "http/1.0": b"GET / HTTP/1.0\r\n\r\n",
    "http/1.0 kept alive": b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "query and escapes": b"GET /a%20b%C3%A4?x=%20&y HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute": b"GET http://a:1/b?c HTTP/1.1\r\nHost: a:1\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "empty host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "blanks after values": b"GET / HTTP/1.1\r\nHost: a \t\r\nX:\t1 \r\n\r\n",
    "content-length": POST + b"Content-Length: 5\r\n\r\nhello" + GET,
    "empty body": POST + b"Content-Length: 0\r\n\r\n" + GET,
    "chunked": CHUNKED + b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n" + GET,
    "trailers": CHUNKED + b"1\r\nx\r\n0\r\nT: y\r\nHost: evil\r\n\r\n" + GET,
    "pipelined": GET + POST + b"Content-Length: 1\r\n\r\nx" + GET,
    "data after the last": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET,
    "upgrade": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n" + GET,
    "upgrade with a body": POST
    + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc"
    + GET,
    "upgrade with chunks": POST
    + b"Connection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"3\r\nabc\r\n0\r\n\r\n"
    + GET,
    "expect": POST + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    "many fields": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 127 + b"\r\n",
    "a long line": b"GET /" + b"x" * 8178 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
}

INVALID = {
    "no host": (400, b"GET / HTTP/1.1\r\n\r\n"),
    "no host, other headers": (400, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"),
    "two hosts": (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    "malformed host": (400, b"GET / HTTP/1.1\r\nHost: a b/c\r\n\r\n"),
    "host beside target": (400, b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    "fragment": (400, b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    "asterisk": (400, b"GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    "control in target": (400, b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "non-ASCII in target": (400, b"GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "both lengths": (400, POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "both lengths, reversed": (400, CHUNKED[:-2] + b"Content-Length: 1\r\n\r\n"),
    "two lengths": (400, POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n"),
    "a list of lengths": (400, POST + b"Content-Length: 1, 1\r\n\r\n"),
    "signed length": (400, POST + b"Content-Length: +1\r\n\r\n"),
    "huge length": (400, POST + b"Content-Length: 99999999999999999999\r\n\r\n"),
    "other coding": (501, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n"),
    "no chunked": (400, POST + b"Transfer-Encoding: gzip\r\n\r\n"),
    "chunked in 1.0": (400, b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "connect": (501, b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"),
    "rtsp": (501, b"PLAY / RTSP/1.0\r\nHost: a\r\n\r\n"),
    "ice": (501, b"SOURCE / ICE/1.0\r\nHost: a\r\n\r\n"),
    "lower-case method": (400, b"get / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "http/2": (505, b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    "http/2 preface": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "http/1.2": (505, b"GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    "http/0.9": (505, b"GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
    "bare LF": (400, b"GET / HTTP/1.1\nHost: a\n\n"),
    "obs-fold": (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"),
    "space before the colon": (400, b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    "NUL in a value": (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n"),
    "BEL in a value": (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: \x07\r\n\r\n"),
    "DEL in a value": (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n"),
    "no token": (400, b"GET / HTTP/1.1\r\nHost: a\r\n(: b\r\n\r\n"),
    "unknown expectation": (417, POST + b"Expect: a miracle\r\n\r\n"),
    "a line too long": (414, b"GET /" + b"x" * 8179 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a field too large": (431, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 16380 + b"\r\n\r\n"),
    "too many fields": (431, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 128 + b"\r\n"),
    "fields too large": (431, GET[:-2] + (b"X: " + b"x" * 9000 + b"\r\n") * 8 + b"\r\n"),
    "bad chunk size": (400, CHUNKED + b"x\r\n"),
    "a chunk too long": (400, CHUNKED + b"1\r\nxy\r\n0\r\n\r\n"),
    "bare LF in chunks": (400, CHUNKED + b"1\nx\n0\n\n"),
    "negative chunk": (400, CHUNKED + b"-1\r\nx\r\n"),
    "too many trailers": (431, CHUNKED + b"0\r\n" + b"X: y\r\n" * 129 + b"\r\n"),
    "nonsense": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
}


SEEN = (
    *("method", "path", "raw_path", "query_string", "fields", "version", "keep_alive"),
    *("expects_continue", "body_complete"),
)


def outcome(pieces: list[bytes], **limits: Any) -> tuple[list[object], int | None, bool]:
    """All that can be said about what these bytes were understood as."""
    made = parsed(*pieces, **limits)
    exchanges = [{name: getattr(e, name) for name in SEEN} | {"body": e.take()} for e in made.ready]
    status = None if made.refusal is None else made.refusal.status
    return list(exchanges), status, made.in_head or made.in_body


@pytest.mark.parametrize("name", VALID)
def test_a_valid_request_is_understood(name: str) -> None:
    exchanges, status, unfinished = outcome([VALID[name]])
    assert (status, unfinished) == (None, False)
    assert exchanges


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_request_is_refused(name: str) -> None:
    status, data = INVALID[name]
    exchanges, actual, _ = outcome([data])
    assert (exchanges, actual) == ([], status)


@pytest.mark.parametrize("name", INVALID)
def test_what_came_before_an_invalid_request_is_understood(name: str) -> None:
    status, data = INVALID[name]
    exchanges, actual, _ = outcome([GET + GET + data])
    assert (len(exchanges), actual) == (2, status)


@pytest.mark.parametrize("name", [*VALID, *INVALID])
def test_byte_by_byte_gives_the_same(name: str) -> None:
    data = VALID[name] if name in VALID else INVALID[name][1]
    assert outcome([data[i : i + 1] for i in range(len(data))]) == outcome([data])


@given(st.data())
def test_the_outcome_does_not_depend_on_how_the_bytes_are_split(data: st.DataObject) -> None:
    names = st.sampled_from([*VALID, *INVALID])
    everything = VALID | {name: sent for name, (_, sent) in INVALID.items()}
    sent = b"".join(everything[name] for name in data.draw(st.lists(names, min_size=1, max_size=4)))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(sent)), max_size=8)))
    pieces = [sent[i:j] for i, j in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    limits = data.draw(st.sampled_from([{}, {"body": 4}, {"headers_size": 200, "headers": 4}]))
    assert outcome(pieces, **limits) == outcome([sent], **limits)


def test_a_request_is_taken_apart() -> None:
    exchange = only(b"GET /a%20b%C3%A4?x=%20&y HTTP/1.1\r\nHost: a\r\nX-Y: 1\r\nx-y:  2 \r\n\r\n")
    assert (exchange.method, exchange.version, exchange.keep_alive) == ("GET", "1.1", True)
    assert (exchange.path, exchange.raw_path) == ("/a bä", b"/a%20b%C3%A4")
    assert exchange.query_string == b"x=%20&y"
    assert exchange.fields == [(b"host", b"a"), (b"x-y", b"1"), (b"x-y", b"2")]
    assert exchange.body_complete


def test_trailers_are_not_headers() -> None:
    first, second = parsed(VALID["trailers"]).ready
    assert first.fields == [(b"host", b"a"), (b"transfer-encoding", b"chunked")]
    assert second.fields == [(b"host", b"a")]


def test_the_body_of_an_ignored_upgrade_is_a_body() -> None:
    for name in ("upgrade with a body", "upgrade with chunks"):
        first, second = parsed(VALID[name]).ready
        assert first.take() == b"abc"
        assert first.fields[0] == (b"host", b"a")
        assert (second.method, second.path) == ("GET", "/")


def test_a_thousand_upgrades_in_one_read_are_no_recursion() -> None:
    assert len(parsed(VALID["upgrade"].removesuffix(GET) * 5000).ready) == 5000


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
