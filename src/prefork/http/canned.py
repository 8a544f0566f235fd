"""Answers that no application gave."""

from prefork.http.errors import Refused
from prefork.http.fields import STATUS_LINES

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_ERROR = b"%b%b%b\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"


def error_answer(refusal: Refused, date: bytes) -> bytes:
    """A whole answer that says why it is an error, and that the connection ends."""
    body = error_body(refusal.reason)
    return _ERROR % (STATUS_LINES[refusal.status], date, refusal.fields, len(body), body)


def error_body(reason: str) -> bytes:
    """The body of such an answer."""
    return reason.encode() + b"\n"
