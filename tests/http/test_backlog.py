from tests.http.requests import GET, connection, parsed

from prefork.http.backlog import ENOUGH, SLICE

MANY = 256_000  # bytes: what a worker reads at once
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_of_ten_thousand_requests_in_one_read_few_are_parsed() -> None:
    made = connection()
    made.feed(GET * (MANY // len(GET)))
    assert ENOUGH <= len(made.ready) <= SLICE // len(GET)
    assert len(made.waiting) >= MANY - 2 * SLICE


def test_the_others_are_parsed_as_they_are_wanted() -> None:
    made = connection()
    count = MANY // len(GET)
    made.feed(GET * count)
    seen = 0
    while made.ready:
        if made.waiting:
            made.go_on()
        assert len(made.ready) <= ENOUGH + SLICE // len(GET)
        made.ready.pop(0)
        seen += 1
    assert seen == count
    assert made.refusal is None


def test_what_comes_meanwhile_comes_after_what_waits() -> None:
    made = connection()
    made.feed(b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n" * SLICE)
    made.feed(b"GET /last HTTP/1.1\r\nHost: a\r\n\r\n")
    paths = []
    while made.ready:
        made.go_on()
        paths.append(made.ready.pop(0).path)
    assert paths == ["/first"] * SLICE + ["/last"]


def test_a_body_of_known_length_is_taken_in_one_piece() -> None:
    made = connection()
    made.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % MANY)
    made.feed(b"x" * (MANY - 1))
    assert made.ready[0].buffer == b"x" * (MANY - 1)
    assert type(made.ready[0].buffer) is bytes  # nothing was joined
    made.feed(b"x" + GET * MANY)
    assert made.ready[0].body_complete
    assert len(made.ready) <= 2 + SLICE // len(GET)


def test_a_chunked_body_is_the_same_in_slices() -> None:
    (exchange,) = parsed(CHUNKED + b"%x\r\n" % MANY + b"x" * MANY + b"\r\n0\r\n\r\n").ready
    assert exchange.body_complete
    assert exchange.take() == b"x" * MANY


def test_nothing_waits_behind_a_refusal_or_the_last_request() -> None:
    for end in (b"nonsense\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"):
        made = connection()
        made.feed(end + GET * MANY)
        assert not made.waiting
        assert made.ended


def test_a_head_with_too_many_fields_is_refused_long_before_its_end() -> None:
    made = connection()
    made.feed(GET[:-2] + b"a:\r\n" * MANY)
    assert made.refusal is not None
    assert made.refusal.status == 431
    assert made.unbegun is not None
    assert len(made.unbegun.fields) < 4 * SLICE // len(b"a:\r\n")
