"""Limits and short-hands for the tests of the protocol."""

from dataclasses import replace
from typing import Any

from prefork.http.connection import Connection
from prefork.http.exchange import Exchange
from prefork.http.limits import Limits, WebSocketLimits

LIMITS = Limits(
    request_line=8192,
    header_field=16384,
    headers_size=65536,
    headers=128,
    body=0,
    body_rate=240,
    concurrency=0,
    keepalive_requests=0,
    header_timeout=15,
    keepalive_timeout=75,
    send_timeout=60,
    request_timeout=0,
    websocket=WebSocketLimits(message=1 << 24, deflate=True, ping_interval=20, ping_timeout=20),
)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def connection(**limits: Any) -> Connection[Exchange]:
    return Connection(replace(LIMITS, **limits), Exchange)


def parsed(*pieces: bytes, **limits: Any) -> Connection[Exchange]:
    """A connection that was fed the pieces, and had to parse all of them."""
    made = connection(**limits)
    begun = []
    for piece in pieces:
        made.feed(piece)
        while made.waiting:
            begun.append(made.ready.pop(0))
            made.go_on()
    made.ready[:0] = begun
    return made


def only(data: bytes, **limits: Any) -> Exchange:
    """The one exchange that these bytes are."""
    made = parsed(data, **limits)
    assert made.refusal is None, made.refusal
    (exchange,) = made.ready
    return exchange


def refused(data: bytes, **limits: Any) -> int:
    """The status with which these bytes are refused; 0 where they aren't."""
    refusal = parsed(data, **limits).refusal
    return 0 if refusal is None else refusal.status
