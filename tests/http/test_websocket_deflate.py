"""permessage-deflate, after the categories 12 and 13 of the Autobahn test suite (RFC 7692)."""

import tracemalloc
import zlib

import pytest
from tests.http.frames import (
    BINARY,
    CONT,
    DEFLATE,
    PING,
    PONG,
    TEXT,
    Heard,
    deflated,
    frame,
    heard,
    squeezed,
    websocket,
)

RSV1 = 0x40
MEGABYTE = 1 << 20


class Client:
    """A client's side of the compression."""

    def __init__(self) -> None:
        self._packer = zlib.compressobj(wbits=-12)
        self._unpacker = zlib.decompressobj(wbits=-12)

    def pack(self, data: bytes) -> bytes:
        return (self._packer.compress(data) + self._packer.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def unpack(self, data: bytes) -> bytes:
        return self._unpacker.decompress(data + b"\0\0\xff\xff")


@pytest.mark.parametrize("size", [0, 16, 1024, 65536, MEGABYTE])
def test_a_compressed_message_is_a_message(size: int) -> None:
    data = b"some text " * (size // 10)
    made = squeezed(frame(TEXT, deflated(data), reserved=RSV1))
    assert made.events == [data.decode()]


def test_a_compressed_message_may_come_in_fragments_with_pings_between() -> None:
    packed = deflated(b"\xc3\xa4" * 1000)
    made = squeezed(
        frame(TEXT, packed[:3], fin=False, reserved=RSV1),
        frame(PING, b"p"),
        frame(CONT, packed[3:5], fin=False) + frame(CONT, packed[5:]),
    )
    assert made.events == ["\xe4" * 1000]
    assert made.answers == [(PONG, b"p")]


def test_the_window_is_kept_from_message_to_message() -> None:
    client = Client()
    texts = [b"the same words again", b"the same words again", b"the same words at last"]
    made = squeezed(*(frame(TEXT, client.pack(text), reserved=RSV1) for text in texts))
    assert made.events == [text.decode() for text in texts]


def test_a_client_without_context_takeover_packs_each_message_alone() -> None:
    offer = (DEFLATE[0], b"permessage-deflate; client_no_context_takeover")
    packed = frame(TEXT, deflated(b"the same words"), reserved=RSV1)
    assert Heard(websocket(offer), packed, packed).events == ["the same words"] * 2


def test_a_message_may_be_sent_as_it_is_although_compression_was_agreed_on() -> None:
    packed = frame(TEXT, deflated(b"packed"), reserved=RSV1)
    made = squeezed(frame(TEXT, b"plain"), packed, frame(BINARY, b"plain"))
    assert made.events == ["plain", "packed", b"plain"]


def test_what_we_send_is_compressed() -> None:
    client, socket = Client(), websocket(DEFLATE)
    for text in ("the same words again " * 50, "the same words again " * 50, ""):
        written = socket.send(text)
        assert written[0] == 0x80 | RSV1 | TEXT
        assert len(written) < 60
        assert client.unpack(written[2:]) == text.encode()


def test_compression_is_refused_where_it_was_not_agreed_on() -> None:
    packed = frame(TEXT, deflated(b"packed"), reserved=RSV1)
    assert heard(packed).closed == 1002
    off = websocket(DEFLATE, deflate=False)
    assert b"xtensions" not in off.accept(None, (), b"")
    assert Heard(off, packed).closed == 1002


@pytest.mark.parametrize(
    "data",
    [
        frame(TEXT, b"\xff\xff\xff no stream", reserved=RSV1),
        frame(PING, b"", reserved=RSV1),
        frame(TEXT, deflated(b"a"), reserved=RSV1 | 0x20),
        frame(TEXT, b"a", fin=False) + frame(CONT, b"b", reserved=RSV1),
        frame(TEXT, deflated(b"a"), fin=False, reserved=RSV1) + frame(CONT, b"", reserved=RSV1),
    ],
)
def test_what_is_no_compression_ends_it(data: bytes) -> None:
    assert squeezed(data).closed == 1002


def test_compressed_text_is_text() -> None:
    assert squeezed(frame(TEXT, deflated(b"\xff"), reserved=RSV1)).closed == 1007
    client = Client()
    first, second = client.pack(b"\xed"), client.pack(b"\xa0")
    made = squeezed(frame(TEXT, first + b"\0\0\xff\xff", fin=False, reserved=RSV1))
    assert made.closed == 0
    made.feed(frame(CONT, second + b"\0\0\xff\xff", fin=False))
    assert made.closed == 1007


def test_the_limit_is_that_of_the_inflated_message() -> None:
    for size, closed in ((1000, 0), (1001, 1009)):
        made = squeezed(frame(BINARY, deflated(bytes(size)), reserved=RSV1), most=1000)
        assert made.closed == closed


def test_what_does_not_compress_may_be_as_large_as_the_limit() -> None:
    noise = zlib.compress(b"".join(n.to_bytes(4, "big") for n in range(30_000)), 9)
    packed = deflated(noise, level=0)
    assert len(packed) > len(noise)
    made = squeezed(frame(BINARY, packed, reserved=RSV1), most=len(noise))
    assert made.events == [noise]


@pytest.mark.parametrize("fragments", [1, 2, 100])
def test_a_bomb_is_refused_before_it_is_inflated(fragments: int) -> None:
    packed = deflated(bytes(64 * MEGABYTE), level=9)
    piece = len(packed) // fragments + 1
    parts = [packed[at : at + piece] for at in range(0, len(packed), piece)]
    frames = [
        frame(CONT if n else BINARY, part, fin=n == len(parts) - 1, reserved=0 if n else RSV1)
        for n, part in enumerate(parts)
    ]
    made = squeezed(most=MEGABYTE)
    tracemalloc.start()
    try:
        for each in frames:
            made.feed(each)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert made.closed == 1009
    assert peak < 6 * MEGABYTE


def test_many_messages_that_inflate_are_inflated_one_at_a_time() -> None:
    client = Client()
    packed = b"".join(
        frame(BINARY, client.pack(bytes(MEGABYTE)), reserved=RSV1) for _ in range(100)
    )
    socket = websocket(DEFLATE)
    tracemalloc.start()
    try:
        socket.feed(packed)
        for _ in range(100):
            event = socket.event()
            assert isinstance(event, bytes)
            assert len(event) == MEGABYTE
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * MEGABYTE
