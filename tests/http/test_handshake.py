import pytest
from tests.http.frames import DEFLATE, HANDSHAKE, websocket
from tests.http.requests import only

from prefork.http import handshake
from prefork.http.errors import FramingError, Refused
from prefork.http.limits import WebSocketLimits
from prefork.http.rules import Field
from prefork.http.websocket import WebSocket

LIMITS = WebSocketLimits(message=1 << 24, deflate=True, ping_interval=20, ping_timeout=20)
UPGRADE = b"Host: a\r\nConnection: Upgrade\r\n"


def without(name: bytes, *instead: Field) -> list[Field]:
    return [field for field in HANDSHAKE if field[0] != name] + list(instead)


def answer(*extra: Field, subprotocol: str | None = None, fields: tuple[Field, ...] = ()) -> bytes:
    return websocket(*extra).accept(subprotocol, fields, b"\r\ndate: now")


@pytest.mark.parametrize(
    ("request_line", "upgrade", "asked"),
    [
        (b"GET / HTTP/1.1", b"websocket", True),
        (b"GET / HTTP/1.1", b"WebSocket", True),
        (b"GET / HTTP/1.1", b"h2c, websocket", True),
        (b"GET / HTTP/1.1", b"h2c\r\nUpgrade: websocket", True),
        (b"GET / HTTP/1.1", b"h2c", False),
        (b"GET / HTTP/1.1", b"websockets", False),
        (b"POST / HTTP/1.1", b"websocket", False),
        (b"GET / HTTP/1.0", b"websocket", False),
    ],
)
def test_a_websocket_is_asked_for_by_get_and_its_name(
    request_line: bytes, upgrade: bytes, asked: bool
) -> None:
    request = only(request_line + b"\r\n" + UPGRADE + b"Upgrade: " + upgrade + b"\r\n\r\n")
    assert handshake.is_begun_by(request) is asked


def test_the_answer_has_the_key_that_the_rfc_works_out() -> None:
    assert answer() == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\ndate: now\r\n\r\n"
    )


@pytest.mark.parametrize(
    "fields",
    [
        without(b"sec-websocket-key"),
        without(b"sec-websocket-key", (b"sec-websocket-key", b"short")),
        without(b"sec-websocket-key", (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ")),
        without(b"sec-websocket-key", (b"sec-websocket-key", b"\xe4" * 24)),
        [*HANDSHAKE, HANDSHAKE[3]],
        without(b"sec-websocket-version"),
        without(b"sec-websocket-version", (b"sec-websocket-version", b"x")),
        [*HANDSHAKE, HANDSHAKE[4]],
        [*HANDSHAKE, (b"sec-websocket-extensions", b"permessage-deflate; =")],
        [*HANDSHAKE, (b"sec-websocket-protocol", b"a b")],
    ],
)
def test_a_malformed_handshake_is_a_400(fields: list[Field]) -> None:
    with pytest.raises(Refused, match="malformed WebSocket handshake: ") as caught:
        WebSocket(fields, LIMITS)
    assert caught.value.status == 400


@pytest.mark.parametrize("version", [b"8", b"12", b"14"])
def test_another_version_is_told_which_one_is_served(version: bytes) -> None:
    with pytest.raises(Refused) as caught:
        WebSocket(without(b"sec-websocket-version", (b"sec-websocket-version", version)), LIMITS)
    assert caught.value.status == 426
    assert b"\r\nsec-websocket-version: 13" in caught.value.fields


def test_the_subprotocols_are_those_that_the_client_offers() -> None:
    offered = ((b"sec-websocket-protocol", b"a, b"), (b"sec-websocket-protocol", b"c"))
    assert websocket(*offered).subprotocols == ["a", "b", "c"]
    assert b"\r\nSec-WebSocket-Protocol: b\r\n" in answer(*offered, subprotocol="b")
    with pytest.raises(FramingError, match="did not offer the subprotocol 'd'"):
        answer(*offered, subprotocol="d")


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        (b"permessage-deflate", b"permessage-deflate; server_max_window_bits=12"),
        (DEFLATE[1], b"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"),
        (
            b"permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
            b"server_max_window_bits=10",
            b"permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
            b"server_max_window_bits=10",
        ),
        (b"x-other, permessage-deflate", b"permessage-deflate; server_max_window_bits=12"),
        (b"permessage-deflate; server_max_window_bits=8", b""),
        (b"permessage-deflate; client_max_window_bits=99", b""),
        (b"permessage-deflate; other", b""),
        (b"x-other", b""),
    ],
)
def test_compression_is_agreed_on_where_its_parameters_can_be_met(
    offered: bytes, agreed: bytes
) -> None:
    line = b"Sec-WebSocket-Extensions: " + agreed + b"\r\n"
    said = answer((b"sec-websocket-extensions", offered))
    assert (line in said) if agreed else (b"Extensions" not in said)


def test_the_application_adds_headers() -> None:
    fields = ((b"set-cookie", b"a=b"), (b"date", b"then"), (b"connection", b"close"))
    said = answer(fields=fields)
    assert said.endswith(b"\r\nset-cookie: a=b\r\ndate: then\r\n\r\n")
    assert b"close" not in said


@pytest.mark.parametrize(
    "field",
    [
        (b"x y", b"z"),
        (b"x", b"y\r\nz: 1"),
        (b"Sec-WebSocket-Protocol", b"a"),
        (b"sec-websocket-accept", b"a"),
    ],
)
def test_headers_that_would_break_the_answer_are_refused(field: Field) -> None:
    with pytest.raises(FramingError):
        answer(fields=(field,))


def test_an_answer_that_was_refused_can_be_given_again() -> None:
    socket = websocket()
    with pytest.raises(FramingError):
        socket.accept(None, ((b"x y", b"z"),), b"")
    assert socket.accept(None, (), b"").startswith(b"HTTP/1.1 101 ")
