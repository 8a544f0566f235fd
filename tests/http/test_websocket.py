"""After categories 1 to 7, 9 and 10 of the Autobahn test suite; 12 and 13 are in its neighbour."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.http.frames import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    Heard,
    close,
    frame,
    heard,
    websocket,
)

from prefork.http.errors import FramingError
from prefork.http.websocket import FRAMES, Closed

GOOD_TEXTS = {
    "two, three and four bytes": "\xe4\u20ac\U0001f600".encode(),
    "the kosme": b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
    "first of two bytes": b"\xc2\x80",
    "first of three bytes": b"\xe0\xa0\x80",
    "first of four bytes": b"\xf0\x90\x80\x80",
    "last before the surrogates": b"\xed\x9f\xbf",
    "first after the surrogates": b"\xee\x80\x80",
    "last of all": b"\xf4\x8f\xbf\xbf",
    "a non-character": b"\xef\xbf\xbf",
    "a byte order mark": b"\xef\xbb\xbf",
    "NUL": b"\0",
}
# By name: how much is right, and the text, of which the next byte is the first wrong one.
BAD_TEXTS = {
    "surrogate": (6, b"\xce\xba\xe1\xbd\xb9x\xed\xa0\x80edited"),
    "last surrogate": (0, b"\xed\xbf\xbf"),
    "beyond the last": (3, b"abc\xf4\x90\x80\x80"),
    "overlong of two": (0, b"\xc0\xaf"),
    "overlong of three": (0, b"\xe0\x9f\xbf"),
    "overlong of four": (0, b"\xf0\x8f\xbf\xbf"),
    "five bytes": (0, b"\xf8\x88\x80\x80\x80"),
    "a continuation alone": (1, b"a\x80"),
    "a start without an end": (2, b"ab\xc3x"),
    "latin-1": (1, b"a\xff"),
}


# 1 Framing


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 65535, 65536, 65536 * 3])
def test_messages_of_every_length_come_as_they_are(size: int) -> None:
    made = heard(frame(TEXT, b"*" * size), frame(BINARY, b"\xfe" * size))
    assert made.events == ["*" * size, b"\xfe" * size]
    assert made.answers == []


@pytest.mark.parametrize("length_bytes", [2, 8])
def test_a_length_that_is_longer_than_it_need_be_is_a_length(length_bytes: int) -> None:
    assert heard(frame(TEXT, b"abc", length_bytes=length_bytes)).events == ["abc"]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
@pytest.mark.parametrize("kind", [str, bytes])
def test_what_is_sent_is_one_frame_without_a_mask(size: int, kind: type) -> None:
    message = "*" * size if kind is str else b"*" * size
    written = websocket().send(message)
    assert written == frame(TEXT if kind is str else BINARY, b"*" * size, masked=False)


def test_bytes_may_be_sent_by_what_is_like_them_and_nothing_else() -> None:
    socket = websocket()
    expected = frame(BINARY, b"abc", masked=False)
    assert socket.send(bytearray(b"abc")) == socket.send(memoryview(b"abc")) == expected
    with pytest.raises(FramingError, match="must be bytes, not int"):
        socket.send(3)


def test_a_frame_without_a_mask_ends_it() -> None:
    made = heard(frame(TEXT, b"abc", masked=False))
    assert made.closed == 1002


# 2 Pings and pongs


@pytest.mark.parametrize("payload", [b"", b"hello", bytes(125), b"\xff\xfe"])
def test_a_ping_is_answered_with_its_payload(payload: bytes) -> None:
    made = heard(frame(PING, payload))
    assert made.answers == [(PONG, payload)]
    assert made.events == []


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_a_control_frame_over_125_bytes_is_refused_before_it_is_complete(opcode: int) -> None:
    made = heard(frame(opcode, bytes(126))[:-100])
    assert made.closed == 1002


def test_a_pong_that_nobody_asked_for_is_nothing() -> None:
    made = heard(frame(PONG, b"what?"), frame(TEXT, b"a"))
    assert (made.events, made.answers) == (["a"], [])


def test_ten_pings_have_ten_answers_in_order_however_they_come() -> None:
    pings = [frame(PING, b"%d" % number) for number in range(10)]
    expected = [(PONG, b"%d" % number) for number in range(10)]
    assert heard(b"".join(pings)).answers == heard(*pings).answers == expected


def test_we_ask_with_an_empty_ping() -> None:
    assert websocket().ping() == frame(PING, masked=False)


# 3 Reserved bits


@pytest.mark.parametrize("reserved", [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
def test_a_reserved_bit_ends_it_before_the_payload(reserved: int, opcode: int) -> None:
    made = heard(frame(TEXT, b"first"), frame(opcode, b"second", reserved=reserved)[:6])
    assert made.events[0] == "first"
    assert made.closed == 1002


# 4 Opcodes


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_an_opcode_that_is_reserved_ends_it(opcode: int) -> None:
    made = heard(frame(TEXT, b"first") + frame(opcode) + frame(PING))
    assert made.events[0] == "first"
    assert made.closed == 1002
    assert [opcode for opcode, _ in made.answers] == [CLOSE]


# 5 Fragmentation


def test_fragments_are_one_message() -> None:
    parts = (frame(TEXT, b"a", fin=False), frame(CONT, b"", fin=False), frame(CONT, b"b"))
    assert heard(*parts).events == heard(b"".join(parts)).events == ["ab"]


def test_control_frames_may_come_between_fragments() -> None:
    made = heard(
        frame(BINARY, b"a", fin=False) + frame(PING, b"1"),
        frame(CONT, b"b", fin=False) + frame(PONG, b"2") + frame(PING, b"3"),
        frame(CONT, b"c"),
    )
    assert made.events == [b"abc"]
    assert made.answers == [(PONG, b"1"), (PONG, b"3")]


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_a_control_frame_is_never_fragmented(opcode: int) -> None:
    assert heard(frame(opcode, b"", fin=False)).closed == 1002


@pytest.mark.parametrize("fin", [True, False])
def test_a_continuation_of_nothing_ends_it(fin: bool) -> None:
    assert heard(frame(CONT, b"abc", fin=fin)).closed == 1002
    made = heard(frame(TEXT, b"a", fin=False) + frame(CONT, b"b") + frame(CONT, b"c", fin=fin))
    assert made.events[0] == "ab"
    assert made.closed == 1002


@pytest.mark.parametrize("fin", [True, False])
def test_a_new_message_within_another_ends_it(fin: bool) -> None:
    assert heard(frame(TEXT, b"a", fin=False), frame(TEXT, b"b", fin=fin)).closed == 1002


def test_fragments_of_one_byte_cost_little_more_than_their_bytes() -> None:
    made = heard(frame(BINARY, b"a", fin=False))
    for _ in range(2000):
        made.feed(frame(CONT, b"ab", fin=False))
    made.feed(frame(CONT))
    assert made.events == [b"a" + b"ab" * 2000]


# 6 UTF-8


@pytest.mark.parametrize("name", GOOD_TEXTS)
def test_text_is_text_whole_and_in_fragments_of_a_byte(name: str) -> None:
    data = GOOD_TEXTS[name]
    first, *others = [bytes([byte]) for byte in data]
    fragments = [frame(TEXT, first, fin=False)]
    fragments += [frame(CONT, each, fin=False) for each in others]
    assert heard(frame(TEXT, data)).events == [data.decode()]
    assert heard(*fragments, frame(CONT)).events == [data.decode()]


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_what_is_no_text_is_refused(name: str) -> None:
    assert heard(frame(TEXT, BAD_TEXTS[name][1])).closed == 1007


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_text_is_refused_at_its_first_wrong_byte_while_the_frame_arrives(name: str) -> None:
    right, data = BAD_TEXTS[name]
    whole = frame(TEXT, data + bytes(1000))
    start = len(whole) - len(data) - 1000
    ended = [
        end
        for end in range(start, start + len(data) + 1)
        if heard(whole[:end]).closed
        == heard(*(whole[n : n + 1] for n in range(end))).closed
        == 1007
    ]
    first = ended[0] - start - 1  # the byte that was refused
    assert right <= first <= right + 1  # an overlong one is known by its second byte
    assert ended == list(range(ended[0], start + len(data) + 1))


def test_text_is_refused_in_the_fragment_that_is_wrong() -> None:
    made = heard(frame(TEXT, b"\xce", fin=False), frame(CONT, b"\xba\xed", fin=False))
    assert made.closed == 0
    made.feed(frame(CONT, b"\xa0", fin=False))
    assert made.closed == 1007


def test_text_that_ends_within_a_character_is_refused() -> None:
    assert heard(frame(TEXT, b"\xce")).closed == 1007
    assert heard(frame(TEXT, b"\xce", fin=False), frame(CONT)).closed == 1007


# 7 Closing


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
)
def test_a_close_is_answered_with_its_code(code: int) -> None:
    made = heard(close(code, "\xe4".encode()))
    assert made.events == [Closed(code, "\xe4", True)]
    assert made.answers == [(CLOSE, code.to_bytes(2, "big") + "\xe4".encode())]


def test_a_close_without_a_code_is_a_1005() -> None:
    made = heard(close())
    assert made.events == [Closed(1005, "", True)]
    assert made.answers == [(CLOSE, b"")]


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535])
def test_a_code_that_nobody_may_send_is_a_1002(code: int) -> None:
    assert heard(close(code)).closed == 1002


def test_a_close_of_one_byte_is_a_1002() -> None:
    assert heard(frame(CLOSE, b"x")).closed == 1002


def test_a_reason_that_is_no_text_is_a_1007() -> None:
    assert heard(close(1000, b"\xff")).closed == 1007


def test_a_reason_of_123_bytes_is_the_longest() -> None:
    assert heard(close(1000, b"x" * 123)).events == [Closed(1000, "x" * 123, True)]
    assert heard(close(1000, b"x" * 124)).closed == 1002


def test_nothing_is_heard_after_a_close() -> None:
    made = heard(frame(TEXT, b"a") + close(1000) + frame(TEXT, b"b") + frame(PING), frame(PING))
    assert made.events == ["a", Closed(1000, "", True)]
    assert [opcode for opcode, _ in made.answers] == [CLOSE]
    assert made.socket.unparsed == 0


def test_a_close_within_a_message_is_a_close() -> None:
    made = heard(frame(TEXT, b"a", fin=False), close(1001))
    assert made.events == [Closed(1001, "", True)]
    assert made.answers == [(CLOSE, b"\x03\xe9")]


def test_after_our_close_the_clients_is_awaited() -> None:
    socket = websocket()
    assert socket.close(1001, "bye") == frame(CLOSE, b"\x03\xe9bye", masked=False)
    assert not socket.is_open
    made = Heard(socket, frame(TEXT, b"late") + frame(PING) + close(1001) + frame(PING))
    assert made.events == ["late", Closed(1001, "", True)]
    assert made.answers == [(PONG, b"")]


@pytest.mark.parametrize(("code", "reason"), [(1005, ""), (1006, ""), (999, ""), (1000, "x" * 124)])
def test_we_do_not_close_with_what_nobody_may_send(code: int, reason: str) -> None:
    socket = websocket()
    with pytest.raises(FramingError, match=f"close code {code}"):
        socket.close(code, reason)
    assert socket.is_open


def test_after_a_failure_nothing_is_awaited() -> None:
    socket = websocket()
    assert socket.fail(1011, "no") == frame(CLOSE, b"\x03\xf3no", masked=False)
    assert Heard(socket, frame(TEXT, b"a")).events == []


# 9 Limits


@pytest.mark.parametrize("size", [1 << 20, 4 << 20, 16 << 20])
def test_a_message_may_be_as_large_as_the_limit(size: int) -> None:
    data = bytes(size)
    assert heard(frame(BINARY, data)).events == [data]
    assert len(str(heard(frame(TEXT, data)).events[0])) == size


def test_a_message_over_the_limit_is_refused_when_it_is_announced() -> None:
    made = heard(frame(BINARY, bytes(100)), frame(BINARY, bytes(101))[:8], most=100)
    assert made.events[0] == bytes(100)
    assert made.closed == 1009


def test_fragments_may_be_as_large_as_the_limit_together() -> None:
    begun = [frame(BINARY, bytes(60), fin=False), frame(PING, bytes(125))]
    assert heard(*begun, frame(CONT, bytes(40)), most=100).events == [bytes(100)]
    assert heard(*begun, frame(CONT, bytes(41))[:8], most=100).closed == 1009


def test_control_frames_are_no_part_of_a_message_that_is_as_large_as_the_limit() -> None:
    pieces = (frame(TEXT, b"a" * 10, fin=False), frame(PING, bytes(125)), frame(CONT))
    made = heard(*pieces, most=10)
    assert (made.events, made.answers) == (["a" * 10], [(PONG, bytes(125))])


def test_a_length_of_63_bits_costs_nothing() -> None:
    assert heard(b"\x82\xff" + b"\x7f" + b"\xff" * 7 + bytes(4)).closed == 1009
    assert heard(b"\x82\xff" + b"\xff" * 8 + bytes(4)).closed == 1009


def test_a_message_is_parsed_only_when_it_is_asked_for() -> None:
    socket = websocket()
    socket.feed(frame(TEXT, b"a") + frame(TEXT, b"b"))
    assert socket.event() == "a"
    assert socket.unparsed == len(frame(TEXT, b"b"))


def test_a_flood_of_small_frames_is_interrupted() -> None:
    socket = websocket()
    socket.feed(frame(PING) * (FRAMES + 1) + frame(TEXT, b"a"))
    assert (socket.event(), socket.is_interrupted) == (None, True)
    assert len(socket.output()) == FRAMES * 2
    assert (socket.event(), socket.is_interrupted) == ("a", False)


# 10 Auto-fragmentation


@pytest.mark.parametrize("piece", [64, 256, 1300, 65536])
def test_a_message_of_64_kib_in_fragments_of_any_size_is_one(piece: int) -> None:
    data = b"*" * 65536
    parts = [data[at : at + piece] for at in range(0, len(data), piece)]
    frames = [
        frame(CONT if number else TEXT, part, fin=number == len(parts) - 1)
        for number, part in enumerate(parts)
    ]
    assert heard(b"".join(frames)).events == ["*" * 65536]


# Splits

SCRIPTS = {
    "all is well": frame(TEXT, "\xe4\u20ac".encode())
    + frame(BINARY, bytes(200), fin=False)
    + frame(PING, b"p")
    + frame(CONT, bytes(3))
    + frame(TEXT, b"\xe2", fin=False)
    + frame(CONT, b"\x82", fin=False)
    + frame(CONT, b"\xac")
    + close(1001, b"bye")
    + frame(TEXT, b"late"),
    "wrong text": frame(TEXT, b"right") + frame(TEXT, b"ab\xed\xa0\x80cd") + frame(TEXT, b"late"),
    "wrong order": frame(TEXT, b"right") + frame(CONT, b"wrong") + frame(TEXT, b"late"),
    "wrong close": frame(PING, b"p") + frame(CLOSE, b"x") + frame(TEXT, b"late"),
    "too large": frame(TEXT, b"right") + frame(BINARY, bytes(400)),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_split_at_any_position_changes_nothing(name: str) -> None:
    data = SCRIPTS[name]
    whole = heard(data, most=300)
    assert isinstance(whole.events[-1], Closed)
    for at in range(len(data)):
        split = heard(data[:at], data[at:], most=300)
        assert (split.events, split.answers) == (whole.events, whole.answers)


@settings(max_examples=50)
@given(st.sampled_from(sorted(SCRIPTS)), st.lists(st.integers(0, 600), max_size=20))
def test_however_the_bytes_are_split_the_events_are_the_same(name: str, cuts: list[int]) -> None:
    data = SCRIPTS[name]
    ends = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    whole = heard(data, most=300)
    split = heard(*(data[a:b] for a, b in pairwise(ends)), most=300)
    assert (split.events, split.answers) == (whole.events, whole.answers)


@given(st.binary(max_size=400))
def test_whatever_is_sent_is_messages_or_the_end(data: bytes) -> None:
    made = heard(data, most=300)
    assert all(not isinstance(event, Closed) for event in made.events[:-1])
