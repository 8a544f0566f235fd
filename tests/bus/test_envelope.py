"""Frames of the bus survive every way of cutting a stream, and garbage is the sender's fault."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.bus import envelope
from prefork.bus.envelope import MAX_PAYLOAD, Frame, Gatherer, Kind, Run
from prefork.errors import RemoteError

SENDER = 7
FRAMES = st.lists(
    st.builds(
        Frame,
        st.sampled_from(Kind),
        st.integers(0, 2**64 - 1),
        st.integers(0, 2**64 - 1),
        st.sampled_from([b"", b"a", b"b", b"c" * 255]),
        st.binary(max_size=50),
    ),
    max_size=8,
)


def encoded(frame: Frame) -> bytes:
    kind, *rest = msgspec.structs.astuple(frame)
    return envelope.encode(Kind(kind), *rest)


@given(sent=FRAMES, cuts=st.lists(st.integers(0, 2000), max_size=8))
def test_however_the_stream_is_cut_the_same_frames_come_out(
    sent: list[Frame], cuts: list[int]
) -> None:
    stream = b"".join(map(encoded, sent))
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    gatherer, came = Gatherer(), list[Frame]()
    for start, end in pairwise(places):
        came += envelope.frames(gatherer.feed(stream[start:end]))
    assert came == sent


@given(sent=FRAMES)
def test_runs_cover_every_frame_once_and_join_what_goes_the_same_way(sent: list[Frame]) -> None:
    stream = b"".join(map(encoded, sent))
    runs = list(envelope.runs(stream))
    assert b"".join(stream[run.start : run.end] for run in runs) == stream
    inside = [list(envelope.frames(stream[run.start : run.end])) for run in runs]
    for run, frames in zip(runs, inside, strict=True):
        goes = {(frame.kind, frame.sender, frame.channel) for frame in frames}
        assert goes == {(run.kind, run.sender, run.channel)}
        assert (len(frames), frames[-1].number) == (run.messages, run.number)
        assert len(frames) == 1 or run.kind == Kind.PUBLISH
    for one, other in pairwise(runs):
        assert one.kind != Kind.PUBLISH or one[:3] != other[:3]


def test_messages_to_one_channel_are_one_run() -> None:
    frames = [envelope.encode(Kind.PUBLISH, SENDER, n, b"chat", b"x") for n in (1, 2, 3)]
    stream = b"".join(frames)
    assert list(envelope.runs(stream)) == [Run(Kind.PUBLISH, SENDER, b"chat", 3, 0, len(stream), 3)]


def test_the_largest_message_fits_and_a_larger_one_is_refused() -> None:
    gatherer = Gatherer()
    data = envelope.encode(Kind.PUBLISH, SENDER, 1, b"c" * 287, bytes(MAX_PAYLOAD))
    pieces = [data[at : at + 256 * 1024] for at in range(0, len(data), 256 * 1024)]
    assert b"".join(map(gatherer.feed, pieces)) == data
    with pytest.raises(ValueError, match="at most"):
        envelope.encode(Kind.PUBLISH, SENDER, 1, b"c", bytes(MAX_PAYLOAD + 1))


@pytest.mark.parametrize(
    "garbage", [b"\xff" * 40, bytes(40), b"GET / HTTP/1.1\r\nHost: example\r\n\r\n"]
)
def test_garbage_is_a_remote_error(garbage: bytes) -> None:
    with pytest.raises(RemoteError, match="not a frame"):
        Gatherer().feed(garbage)
    with pytest.raises(RemoteError, match="not a frame"):
        envelope.decode(garbage)


@pytest.mark.parametrize("wrong", [b"", encoded(Frame(3, 1, 1, b"a", b""))[:-1]], ids=["no", "cut"])
def test_what_is_not_exactly_one_frame_is_none(wrong: bytes) -> None:
    one = encoded(Frame(Kind.PUBLISH, 1, 1, b"a", b"b"))
    assert envelope.decode(one) == Frame(Kind.PUBLISH, 1, 1, b"a", b"b")
    for data in (wrong, one + one):
        with pytest.raises(RemoteError, match="not a frame"):
            envelope.decode(data)
