import pytest
from tests.http.frames import BINARY, MASK, PING, TEXT, frame

from prefork.http.frame import DEFLATED, FrameHead


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 1 << 20])
def test_a_head_says_how_long_the_payload_is(size: int) -> None:
    data = frame(BINARY, bytes(size))
    head = FrameHead.begun_by(data)
    assert head is not None
    assert head.length == size
    assert head.data == data[: len(data) - size]


@pytest.mark.parametrize("size", [0, 125, 126, 65536])
def test_a_head_that_is_incomplete_is_none(size: int) -> None:
    data = frame(BINARY, bytes(size))
    complete = len(data) - size
    assert all(FrameHead.begun_by(data[:end]) is None for end in range(complete))
    assert FrameHead.begun_by(data[:complete]) is not None


def test_a_head_says_what_kind_the_frame_is() -> None:
    text = FrameHead.begun_by(frame(TEXT, fin=False, reserved=DEFLATED))
    ping = FrameHead.begun_by(frame(PING))
    assert text is not None
    assert ping is not None
    assert (text.is_text, text.is_start, text.is_control) == (True, True, False)
    assert (text.is_final, text.reserved) == (False, DEFLATED)
    assert (ping.is_text, ping.is_start, ping.is_control) == (False, False, True)
    assert (ping.is_final, ping.reserved) == (True, 0)


def test_a_mask_turns_with_the_payload() -> None:
    head = FrameHead.begun_by(frame(TEXT, b"x"))
    assert head is not None
    assert [head.mask(offset) for offset in (0, 1, 3, 4)] == [
        MASK,
        MASK[1:] + MASK[:1],
        MASK[3:] + MASK[:3],
        MASK,
    ]


def test_a_frame_without_a_mask_has_a_shorter_head() -> None:
    head = FrameHead.begun_by(frame(TEXT, b"abc", masked=False))
    assert head is not None
    assert (len(head.data), head.length) == (2, 3)
