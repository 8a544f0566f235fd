"""What the HTTP side does at a handshake; that other upgrades are ignored is in test_connection."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.http.frames import KEY
from tests.http.requests import GET, LIMITS

from prefork.http.connection import Connection
from prefork.http.errors import Refused
from prefork.http.exchange import Exchange
from prefork.http.upgrade import Switch

ASKING = (
    b"GET /ws?x HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n\r\n"
)
FRAMES = b"\x81\x80abcd\r\n\r\nGET / HTTP/1.1"  # and whatever: nobody here looks at it


class Switched(Exchange):
    """What a handshake became."""


def switch(request: Exchange) -> Exchange:
    if b"bad" in request.query_string:
        raise Refused(400, "bad")
    made = Switched("GET", request.path, b"", b"", request.fields, "1.1", False)
    made.body_complete = True
    return made


@dataclass
class Outcome:
    paths: list[str]
    switched: bool
    received: bytes
    refused: int


def outcome(*pieces: bytes, by: Switch[Exchange] | None = switch) -> Outcome:
    made = Connection(LIMITS, Exchange, by)
    for piece in pieces:
        made.feed(piece)
    begun: list[Exchange] = []
    while made.ready:
        begun.append(made.ready.pop(0))
        made.go_on()
    paths = [each.path for each in begun]
    is_switched = bool(begun) and isinstance(begun[-1], Switched)
    received = begun[-1].take() if is_switched else b""
    return Outcome(paths, is_switched, received, made.refusal.status if made.refusal else 0)


def test_what_follows_a_handshake_is_the_websockets() -> None:
    for pieces in ((ASKING + FRAMES,), (ASKING, FRAMES), (ASKING, FRAMES[:3], FRAMES[3:])):
        assert outcome(*pieces) == Outcome(["/ws"], True, FRAMES, 0)


def test_a_handshake_may_follow_other_requests() -> None:
    assert outcome(GET + GET + ASKING + FRAMES) == Outcome(["/", "/", "/ws"], True, FRAMES, 0)


@given(st.lists(st.integers(0, len(GET + ASKING + FRAMES)), max_size=6))
def test_however_the_bytes_are_split_the_outcome_is_the_same(cuts: list[int]) -> None:
    data = GET + ASKING + FRAMES
    ends = [0, *sorted(cuts), len(data)]
    pieces = [data[a:b] for a, b in pairwise(ends)]
    assert outcome(*pieces) == Outcome(["/", "/ws"], True, FRAMES, 0)


def test_every_position_of_one_split_gives_the_same() -> None:
    data = ASKING + FRAMES
    for at in range(len(data)):
        assert outcome(data[:at], data[at:]) == Outcome(["/ws"], True, FRAMES, 0)


def test_a_handshake_that_is_refused_is_no_request() -> None:
    data = GET + ASKING.replace(b"?x", b"?bad") + GET
    assert outcome(data) == Outcome(["/"], False, b"", 400)


def test_of_a_refused_handshake_the_head_is_known() -> None:
    made = Connection(LIMITS, Exchange, switch)
    made.feed(ASKING.replace(b"?x", b"?bad"))
    assert made.unbegun is not None
    assert (made.unbegun.method, made.unbegun.target) == ("GET", b"/ws?bad")


def test_where_nobody_takes_websockets_the_handshake_is_a_request() -> None:
    assert outcome(ASKING + GET, by=None) == Outcome(["/ws", "/"], False, b"", 0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"GET /ws", b"POST /ws"),
        (b"Upgrade: websocket", b"Upgrade: h2c"),
        (b"keep-alive, Upgrade", b"keep-alive"),
        (b"Host: a", b"Host: a\r\nContent-Length: 3"),
    ],
)
def test_what_is_no_handshake_is_a_request(old: bytes, new: bytes) -> None:
    body = b"abc" if b"Length" in new else b""
    found = outcome(ASKING.replace(old, new) + body + GET)
    assert found == Outcome(["/ws", "/"], False, b"", 0)


def test_with_http_1_0_the_upgrade_is_ignored() -> None:
    found = outcome(ASKING.replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert found == Outcome(["/ws"], False, b"", 0)


def test_a_thousand_ignored_upgrades_before_a_handshake_are_no_recursion() -> None:
    found = outcome(ASKING.replace(b"websocket", b"h2c") * 1000 + ASKING + FRAMES)
    assert (len(found.paths), found.switched, found.received) == (1001, True, FRAMES)


def test_however_much_comes_with_a_handshake_nothing_is_lost() -> None:
    frames = bytes(range(256)) * 400
    assert outcome(ASKING + frames, frames) == Outcome(["/ws"], True, frames * 2, 0)
    found = outcome(GET * 300 + ASKING + frames, frames)
    assert (len(found.paths), found.switched, found.received) == (301, True, frames * 2)
