"""Frames: the same payloads however the bytes are split, and nothing from garbage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.errors import RemoteError
from prefork.wire.frames import MAX_PAYLOAD, VERSION, Decoder, encode


@given(payloads=st.lists(st.binary(max_size=300), max_size=6), size=st.integers(1, 50))
def test_payloads_survive_any_split(payloads: list[bytes], size: int) -> None:
    stream = b"".join(encode(payload) for payload in payloads)
    decoder = Decoder()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [each for piece in pieces for each in decoder.feed(piece)] == payloads


@given(garbage=st.binary(min_size=5, max_size=200))
def test_garbage_is_refused_or_waited_for_and_never_crashes(garbage: bytes) -> None:
    version, length = garbage[0], int.from_bytes(garbage[1:5])
    if version == VERSION and length <= MAX_PAYLOAD:
        assert len(Decoder().feed(garbage[: 5 + length])) == (len(garbage) >= 5 + length)
    else:
        with pytest.raises(RemoteError, match="not a frame"):
            Decoder().feed(garbage)


def test_another_version_is_refused() -> None:
    with pytest.raises(RemoteError, match="version 2"):
        Decoder().feed(b"\x02\x00\x00\x00\x01x")


def test_a_length_over_the_limit_is_refused_before_it_is_buffered() -> None:
    with pytest.raises(RemoteError, match="length"):
        Decoder().feed(b"\x01\xff\xff\xff\xff")
    with pytest.raises(ValueError, match="at most"):
        encode(bytes(MAX_PAYLOAD + 1))
