"""The PROXY protocol; sections are those of HAProxy's proxy-protocol.txt."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefork.wire.proxy_protocol import (
    LONGEST,
    LONGEST_LINE,
    STRANGER,
    Header,
    Introduction,
    MalformedError,
)

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FOUR = Introduction(("192.0.2.7", 51234), ("203.0.113.1", 443))
SIX = Introduction(("2001:db8::7", 51234), ("2001:db8::1", 443))
FOUR_BLOCK = bytes([192, 0, 2, 7, 203, 0, 113, 1]) + struct.pack("!HH", 51234, 443)
SIX_BLOCK = bytes.fromhex("20010db8" + 23 * "0" + "7" + "20010db8" + 23 * "0" + "1") + struct.pack(
    "!HH", 51234, 443
)
UNIX_BLOCK = b"/run/a".ljust(108, b"\0") + b"/run/b".ljust(108, b"\0")
TLVS = b"\x04\x00\x03abc" + b"\x20\x00\x05\x01\0\0\0\0"
AFTER = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def second(block: bytes, family: int = 0x11, command: int = 0x21) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(block)) + block


HEADERS = [
    # Version 1, section 2.1
    (b"PROXY TCP4 192.0.2.7 203.0.113.1 51234 443\r\n", FOUR),
    (b"PROXY TCP6 2001:db8::7 2001:DB8::1 51234 443\r\n", SIX),
    (
        b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
        Introduction(("255.255.255.255", 65535), ("255.255.255.255", 65535)),
    ),
    (b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", Introduction(("0.0.0.0", 0), ("0.0.0.0", 0))),
    (
        b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:203.0.113.1 51234 443\r\n",
        FOUR,
    ),
    (b"PROXY UNKNOWN\r\n", STRANGER),
    (b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n", STRANGER),  # 107 bytes: the longest
    (b"PROXY UNKNOWN TCP4 192.0.2.7 \n x\r\n", STRANGER),
    # Version 2, section 2.2
    (second(FOUR_BLOCK), FOUR),
    (second(SIX_BLOCK, 0x21), SIX),
    (second(FOUR_BLOCK + TLVS), FOUR),
    (second(SIX_BLOCK + b"x" * (LONGEST - 36), 0x21), SIX),
    (second(UNIX_BLOCK, 0x31), STRANGER),
    (second(b"", 0x00), STRANGER),
    (second(TLVS, 0x00), STRANGER),
    (second(b"", 0x00, 0x20), None),  # LOCAL: the proxy asks for itself
    (second(b"whatever", 0x7F, 0x20), None),
]


def read(*pieces: bytes) -> tuple[Header, bytes]:
    """Feed pieces as a socket gives them: what isn't taken is there again. Give the rest too."""
    header = Header()
    waiting = b""
    for piece in pieces:
        waiting += piece
        while waiting and not header.is_complete:
            waiting = waiting[header.feed(waiting) :]
    return header, waiting


@pytest.mark.parametrize(("sent", "said"), HEADERS)
def test_a_header_says_whose_the_connection_is(sent: bytes, said: Introduction | None) -> None:
    header, rest = read(sent + AFTER)
    assert header.is_complete
    assert header.introduction == said
    assert rest == AFTER


@pytest.mark.parametrize(("sent", "said"), HEADERS)
def test_no_byte_beyond_the_header_is_taken_however_it_arrives(
    sent: bytes, said: Introduction | None
) -> None:
    data = sent + AFTER
    for at in range(1, min(len(data), 400)):
        header, rest = read(data[:at], data[at:])
        assert (header.is_complete, header.introduction, rest) == (True, said, AFTER)


@given(st.sampled_from(HEADERS), st.lists(st.integers(1, 60), max_size=30))
def test_any_split_gives_the_same(
    case: tuple[bytes, Introduction | None], sizes: list[int]
) -> None:
    sent, said = case
    data, pieces = sent + AFTER, []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    header, rest = read(*pieces, data)
    assert (header.is_complete, header.introduction, rest) == (True, said, AFTER)


@pytest.mark.parametrize("sent", [sent for sent, _ in HEADERS])
def test_what_is_there_of_a_header_is_taken_at_once(sent: bytes) -> None:
    """So nothing of it makes a level-triggered reader wake again."""
    for at in range(1, min(len(sent), 400)):
        header = Header()
        assert header.feed(sent[:at]) == at
        assert not header.is_complete


@pytest.mark.parametrize(
    "sent",
    [
        AFTER,
        b"X",
        b"PROXX",
        b"proxy TCP4 192.0.2.7 203.0.113.1 51234 443\r\n",
        b"PROXY  TCP4 192.0.2.7 203.0.113.1 51234 443\r\n",
        b"PROXY TCP4 192.0.2.7 203.0.113.1 51234 443 \r\n",
        b"PROXY TCP4 192.0.2.7  203.0.113.1 51234 443\r\n",
        b"PROXY TCP4 192.0.2.7 203.0.113.1 51234\r\n",
        b"PROXY TCP4 192.0.2.7 203.0.113.1 051234 443\r\n",  # no leading zeros
        b"PROXY TCP4 192.0.02.7 203.0.113.1 51234 443\r\n",
        b"PROXY TCP4 192.0.2.7 203.0.113.1 65536 443\r\n",
        b"PROXY TCP4 192.0.2.7 203.0.113.1 +1 443\r\n",
        b"PROXY TCP4 192.0.2 203.0.113.1 51234 443\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 51234 443\r\n",
        b"PROXY TCP6 192.0.2.7 203.0.113.1 51234 443\r\n",
        b"PROXY TCP6 fe80::1%eth0 2001:db8::1 51234 443\r\n",
        b"PROXY TCP4 192.0.2.7 203.0.113.1 51234 443\n\r\n",
        b"PROXY TCP4 192.0.2.7\r203.0.113.1 51234 443\r\n",
        b"PROXY UDP4 192.0.2.7 203.0.113.1 51234 443\r\n",
        b"PROXY TCP4\r\n",
        b"PROXY UNKNOWNX\r\n",
        b"PROXY \r\n",
        b"PROXY UNKNOWN " + b"f" * 92 + b"\r\n",  # 108 bytes
        b"PROXY UNKNOWN " + b"f" * 1000,
        SIGNATURE[:-1] + b"X",
        b"\r\nGET",
        SIGNATURE + struct.pack("!BBH", 0x11, 0x11, 12) + FOUR_BLOCK,  # version 1 in binary
        second(FOUR_BLOCK, command=0x22),
        second(FOUR_BLOCK, command=0x2F),
        second(FOUR_BLOCK, family=0x12),  # over UDP
        second(FOUR_BLOCK, family=0x41),
        second(FOUR_BLOCK[:-1]),
        second(FOUR_BLOCK, family=0x21),
        second(UNIX_BLOCK[:-1], family=0x31),
        second(b""),
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, LONGEST + 1),
    ],
)
def test_what_is_no_header_is_refused(sent: bytes) -> None:
    with pytest.raises(MalformedError):
        read(sent)
    with pytest.raises(MalformedError):
        read(*(sent[at : at + 1] for at in range(len(sent))))


def test_a_line_that_does_not_end_is_refused_when_it_is_too_long() -> None:
    header = Header()
    assert header.feed(b"PROXY UNKNOWN ".ljust(LONGEST_LINE - 1)) == LONGEST_LINE - 1
    with pytest.raises(MalformedError, match="too long"):
        header.feed(b"x")


@given(st.binary(min_size=1, max_size=300))
def test_any_bytes_are_taken_or_refused(data: bytes) -> None:
    for start in (b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11\0\x0c"):
        try:
            header, rest = read(start + data)
        except MalformedError:
            continue
        assert header.is_complete or not rest
