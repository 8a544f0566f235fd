from typing import Any

import pytest

from prefork.http.canned import CONTINUE
from prefork.http.errors import FramingError
from prefork.http.exchange import Exchange

DATE = b"\r\ndate: now"


def exchange(method: str = "GET", version: str = "1.1", keep_alive: bool = True) -> Exchange:
    made = Exchange(method, "/", b"/", b"", [], version, keep_alive)
    made.body_complete = True
    return made


def answer(made: Exchange, *pieces: Any, status: int = 200, headers: Any = ()) -> bytes:
    made.start(status, headers, DATE)
    *early, last = pieces
    return b"".join([*(made.write(piece, True) for piece in early), made.write(last, False)])


# The framing of an answer


def test_an_answer_in_one_piece_gets_its_length_in_one_write() -> None:
    made = exchange()
    assert answer(made, b"hello", headers=[(b"X", b"1")]) == (
        b"HTTP/1.1 200 OK\r\ndate: now\r\nX: 1\r\ncontent-length: 5\r\n\r\nhello"
    )
    assert made.finished
    assert made.keep_alive


def test_an_answer_in_pieces_is_chunked() -> None:
    assert answer(exchange(), b"ab", b"", b"c" * 17, b"") == (
        b"HTTP/1.1 200 OK\r\ndate: now\r\ntransfer-encoding: chunked\r\n\r\n"
        b"2\r\nab\r\n" + b"11\r\n" + b"c" * 17 + b"\r\n0\r\n\r\n"
    )


def test_a_promised_length_is_kept_over_several_pieces() -> None:
    made = exchange()
    written = answer(made, b"ab", b"c", headers=[(b"Content-Length", b"3")])
    assert written == b"HTTP/1.1 200 OK\r\ndate: now\r\nContent-Length: 3\r\n\r\nabc"
    assert made.finished


def test_http_1_0_without_a_length_ends_by_closing() -> None:
    made = exchange(version="1.0")
    assert answer(made, b"ab", b"c") == (
        b"HTTP/1.1 200 OK\r\ndate: now\r\nconnection: close\r\n\r\nabc"
    )
    assert not made.keep_alive


def test_http_1_0_that_is_kept_alive_is_told_so() -> None:
    written = answer(exchange(version="1.0"), b"abc")
    assert written.endswith(b"content-length: 3\r\nconnection: keep-alive\r\n\r\nabc")


def test_an_answer_to_head_has_the_headers_and_no_body() -> None:
    written = answer(exchange("HEAD"), b"abc", headers=[(b"content-length", b"3")])
    assert written == b"HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 3\r\n\r\n"
    assert answer(exchange("HEAD"), b"ab", b"c").endswith(b"now\r\n\r\n")


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_body_has_none(status: int) -> None:
    assert answer(exchange(), b"", status=status).endswith(b"now\r\n\r\n")
    with pytest.raises(FramingError, match=f"a body with status {status}"):
        answer(exchange(), b"x", status=status)


def test_a_204_has_no_content_length() -> None:
    written = answer(exchange(), b"", status=204, headers=[(b"content-length", b"0")])
    assert b"content-length" not in written
    written = answer(exchange(), b"", status=304, headers=[(b"content-length", b"9")])
    assert b"content-length: 9" in written


def test_the_application_may_close_the_connection() -> None:
    made = exchange()
    written = answer(made, b"", headers=[(b"Connection", b"Close")])
    assert written.count(b"lose\r\n") == 1
    assert not made.keep_alive


def test_the_transfer_coding_is_the_servers() -> None:
    written = answer(exchange(), b"a", b"", headers=[(b"transfer-encoding", b"gzip")])
    assert b"gzip" not in written
    assert written.count(b"transfer-encoding: chunked") == 1


def test_a_date_of_the_application_replaces_ours() -> None:
    assert answer(exchange(), b"", headers=[(b"Date", b"then")]).count(b"ate: ") == 1


def test_memoryviews_are_bytes_too() -> None:
    assert answer(exchange(), memoryview(b"ab"), bytearray(b"c")).endswith(b"1\r\nc\r\n0\r\n\r\n")


# What an application must not do


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ([(b"a b", b"")], "no header name"),
        ([(b"a", b"b\r\nset-cookie: c")], "CR, LF or NUL"),
        ([(b"a", "b")], "must be bytes"),
        ([(b"content-length", b"-1")], "malformed or repeated content-length"),
        ([(b"content-length", b"1"), (b"Content-Length", b"1")], "malformed or repeated"),
    ],
)
def test_a_head_that_breaks_the_stream_is_an_error(headers: Any, message: str) -> None:
    made = exchange()
    with pytest.raises(FramingError, match=message):
        made.start(200, headers, DATE)
    assert not made.sent


@pytest.mark.parametrize("status", [0, 100, 101, 199, 1000, "200", None])
def test_only_a_final_status_starts_an_answer(status: Any) -> None:
    with pytest.raises(FramingError, match="no status"):
        exchange().start(status, (), DATE)
    with pytest.raises(FramingError, match="no status"):
        exchange().whole(status, b"text/plain", b"", DATE)


def test_an_answer_starts_once() -> None:
    made = exchange()
    made.start(200, (), DATE)
    with pytest.raises(FramingError, match="started twice"):
        made.start(200, (), DATE)
    made.write(b"", False)
    with pytest.raises(FramingError, match="started twice"):
        made.start(200, (), DATE)


def test_a_body_needs_a_start_and_ends_once() -> None:
    made = exchange()
    with pytest.raises(FramingError, match="before a start"):
        made.write(b"x", False)
    answer(made, b"x")
    with pytest.raises(FramingError, match="after its end"):
        made.write(b"x", False)


@pytest.mark.parametrize("body", ["text", 5, None, [b"x"]])
def test_a_body_must_be_bytes(body: Any) -> None:
    made = exchange()
    made.start(200, (), DATE)
    with pytest.raises(FramingError, match="must be bytes"):
        made.write(body, False)


def test_more_than_was_promised_is_an_error_and_is_not_written() -> None:
    made = exchange()
    made.start(200, [(b"content-length", b"3")], DATE)
    made.write(b"ab", True)
    with pytest.raises(FramingError, match="longer than its content-length by 1"):
        made.write(b"cd", True)


def test_less_than_was_promised_is_an_error() -> None:
    made = exchange()
    made.start(200, [(b"content-length", b"3")], DATE)
    with pytest.raises(FramingError, match="shorter than its content-length by 1"):
        made.write(b"ab", False)
    assert not made.sent
    made.abandon()
    assert answer(made, b"sorry", status=500).startswith(b"HTTP/1.1 500")


# The answer in one formatted write


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize("status", [200, 204, 404])
def test_the_short_way_writes_the_same_as_the_long_one(
    method: str, version: str, keep_alive: bool, status: int
) -> None:
    body = b"" if status == 204 else b"hello"
    long, short = (exchange(method, version, keep_alive) for _ in range(2))
    expected = answer(long, body, status=status, headers=[(b"content-type", b"text/plain")])
    assert short.whole(status, b"text/plain", body, DATE) == expected
    assert short.finished
    assert short.keep_alive == long.keep_alive


# The request's body


def test_a_body_is_taken_piece_by_piece() -> None:
    made = exchange("POST")
    made.store(b"a")
    assert made.take() == b"a"
    made.store(b"b")
    made.store(b"c")
    taken = made.take()
    assert taken == b"bc"
    assert type(taken) is bytes
    assert made.take() == b""
    assert made.received == 3


def test_a_discarded_body_is_counted_and_not_kept() -> None:
    made = exchange("POST")
    made.store(b"a")
    made.discard()
    made.store(b"bc")
    assert (made.take(), made.received) == (b"", 3)


def expecting() -> Exchange:
    made = exchange("POST")
    made.expects_continue = True
    made.body_complete = False
    return made


def test_a_client_that_waits_is_asked_once() -> None:
    made = expecting()
    assert made.accept() == CONTINUE
    assert made.accept() == b""


def test_a_client_that_did_not_wait_is_not_asked() -> None:
    made = expecting()
    made.store(b"a")
    assert made.accept() == b""


@pytest.mark.parametrize("short", [True, False])
def test_an_answer_instead_of_continue_ends_the_connection(short: bool) -> None:
    made = expecting()
    written = made.whole(200, b"text/plain", b"", DATE) if short else answer(made, b"")
    assert b"connection: close" in written
    assert not made.keep_alive


def test_its_representation_is_one_line() -> None:
    assert repr(exchange()) == "<Exchange GET />"


# What a log is told


@pytest.mark.parametrize(
    ("method", "version", "pieces", "headers", "size"),
    [
        ("GET", "1.1", (b"hello",), (), 5),
        ("GET", "1.1", (b"ab", b"", b"c" * 17, b""), (), 19),
        ("GET", "1.1", (b"ab", b"c"), ((b"content-length", b"3"),), 3),
        ("GET", "1.0", (b"ab", b"c"), (), 3),
        ("HEAD", "1.1", (b"hello",), (), 0),
        ("HEAD", "1.1", (b"ab", b"c"), (), 0),
        ("GET", "1.1", (b"",), (), 0),
    ],
)
def test_the_size_of_an_answer_is_that_of_its_body_without_framing(
    method: str, version: str, pieces: Any, headers: Any, size: int
) -> None:
    made = exchange(method, version)
    answer(made, *pieces, headers=headers)
    assert made.size == size


@pytest.mark.parametrize(("method", "status", "size"), [("GET", 200, 5), ("HEAD", 200, 0)])
def test_an_answer_made_in_one_has_its_size(method: str, status: int, size: int) -> None:
    made = exchange(method)
    made.whole(status, b"text/plain", b"hello", DATE)
    assert made.size == size


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_has_no_size(status: int) -> None:
    made = exchange()
    answer(made, b"", status=status)
    assert made.size == 0
