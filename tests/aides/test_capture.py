"""Lines of what was printed: complete, tagged, and none longer than one write."""

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from prefork.aides.capture import LONGEST_LINE, Source, as_json, as_text, pieces
from prefork.sink import ROOM
from prefork.wire.outlet import Origin

STDOUT, STDERR = Origin("w2", 1), Origin("w2", 2)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=10))
def test_however_the_bytes_come_the_lines_are_the_same(data: bytes, cuts: list[int]) -> None:
    source, lines = Source(STDOUT), []
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(places):
        if start < end:  # an empty read is the end of the file
            lines += source.feed(data[start:end])
    lines += source.feed(b"")
    assert lines == (data.removesuffix(b"\n").split(b"\n") if data else [])


def test_a_line_that_never_ends_is_not_kept_for_ever() -> None:
    source = Source(STDOUT)
    given_out = [line for _ in range(100) for line in source.feed(b"x" * ROOM)]
    assert given_out
    assert source.size <= LONGEST_LINE
    assert sum(map(len, given_out)) + sum(map(len, source.rest)) == 100 * ROOM


def test_a_line_is_tagged() -> None:
    assert as_text(STDOUT, b"hello") == b"[w2] hello\n"
    event = json.loads(as_json(STDERR, "h\u00e9\u2028".encode() + b"\xff"))
    assert event["event"] == "output"
    assert event["from"] == "w2"
    assert event["stream"] == "stderr"
    assert event["line"] == "h\u00e9\u2028\\xff"
    assert {"time", "process", "level"} < event.keys()


@given(st.binary(max_size=6 * ROOM).map(lambda line: line.replace(b"\n", b"")))
def test_pieces_of_a_long_line_fit_and_lose_nothing(line: bytes) -> None:
    texts = list(pieces(as_text, STDOUT, line))
    assert all(len(piece) <= ROOM and piece.endswith(b"\n") for piece in texts)
    assert b"".join(piece[5:-1] for piece in texts) == line
    objects = list(pieces(as_json, STDOUT, line))
    assert all(len(piece) <= ROOM and json.loads(piece)["from"] == "w2" for piece in objects)
