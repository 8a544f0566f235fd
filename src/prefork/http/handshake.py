"""How a WebSocket is opened: RFC 6455, section 4.2."""

from collections.abc import Iterable

from websockets.datastructures import Headers
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.headers import parse_subprotocol
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from prefork.http.errors import FramingError, Refused
from prefork.http.exchange import Exchange
from prefork.http.fields import learn_name, learn_value
from prefork.http.rules import UPGRADE, Field

KEY = b"sec-websocket-key"
VERSION = b"sec-websocket-version"
EXTENSIONS = b"sec-websocket-extensions"
PROTOCOL = b"sec-websocket-protocol"
OURS = (b"connection", b"upgrade", b"content-length", b"transfer-encoding")  # of the answer

SERVED = "13"  # version of the protocol, and how the client of another is told
TELLING = b"\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13"

# 4 KiB of window and 16 of tables for each direction, where zlib's own choice is 32 and 256: the
# library's figures, which cost a twentieth of the compression.
DEFLATE = ServerPerMessageDeflateFactory(
    server_max_window_bits=12, client_max_window_bits=12, compress_settings={"memLevel": 5}
)


def is_begun_by(request: Exchange) -> bool:
    """Whether a request, which asks for an upgrade, asks for a WebSocket.

    With HTTP/1.0 an upgrade must be ignored: RFC 9110, section 7.8.
    """
    if request.method != "GET" or request.version != "1.1":
        return False
    values = [value for name, value in request.fields if name == UPGRADE]
    return b"websocket" in [token.strip() for token in b",".join(values).lower().split(b",")]


def take(fields: list[Field], protocol: ServerProtocol) -> tuple[Response, list[str]]:
    """Give the answer that opens the connection, and the subprotocols that the client offers.

    *protocol* gets the extensions that were agreed on. Raises Refused.
    """
    versions = _values(fields, VERSION)
    if len(versions) == 1 and versions[0] != SERVED and versions[0].isdigit():
        raise Refused(426, "only version 13 of the WebSocket protocol is served", TELLING)
    headers = Headers(Connection="Upgrade", Upgrade="websocket")  # which were checked
    for name in (KEY, VERSION, EXTENSIONS, PROTOCOL):
        for value in _values(fields, name):
            headers[name.decode()] = value
    response = protocol.accept(Request("/", headers))
    if response.status_code != 101:  # noqa: PLR2004
        raise Refused(400, f"malformed WebSocket handshake: {protocol.handshake_exc}")
    offered = [parse_subprotocol(value) for value in _values(fields, PROTOCOL)]
    return response, [name for names in offered for name in names]


def opening(
    response: Response, subprotocol: str | None, fields: Iterable[Field], date: bytes
) -> bytes:
    """Write the answer with the application's *fields*; *date* is a header line.

    Raises FramingError for those that are no headers, or are not for the application to say.
    """
    lines = [b"HTTP/1.1 101 Switching Protocols"]
    lines += [_line(name, value) for name, value in response.headers.raw_items() if name != "Date"]
    if subprotocol is not None:
        lines.append(_line("Sec-WebSocket-Protocol", subprotocol))
    for name, value in fields:
        prefix, _ = learn_name(name)
        learn_value(value)
        lowered = name.lower()
        if lowered.startswith(b"sec-websocket-"):
            raise FramingError(f"the header {name.decode()} is not for the application to say")
        if lowered == b"date":
            date = b""
        if lowered not in OURS:
            lines += [prefix, value]
    return b"".join((*lines, date, b"\r\n\r\n"))


def _line(name: str, value: str) -> bytes:
    return f"\r\n{name}: {value}".encode("latin-1")


def _values(fields: list[Field], wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in fields if name == wanted]
