"""A piece of an answer's body, as it is sent."""

from prefork.http.errors import FramingError


def chunk(body: bytes, more: bool) -> bytes:
    """RFC 9112, section 7.1; an empty piece would end the body, so it is left out."""
    piece = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return piece if more else piece + b"0\r\n\r\n"


def as_bytes(body: object) -> bytes:
    """Accept what is nearly bytes. Raises FramingError for what isn't."""
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    raise FramingError(f"a body must be bytes, not {type(body).__name__}")
