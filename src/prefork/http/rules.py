"""What a request's head may not say, beyond what llhttp refuses, and how large it may be."""

import re
from itertools import chain

from prefork.http.errors import Refused
from prefork.http.fields import NO_TRAILERS, learn_host
from prefork.http.limits import Limits

Field = tuple[bytes, bytes]  # name in lower case, value

HOST = b"host"
CONNECTION = b"connection"
CODING = b"transfer-encoding"
LENGTH = b"content-length"
EXPECT = b"expect"
UPGRADE = b"upgrade"
NO_FACTS: dict[bytes, bytes] = {}
_ABSOLUTE = re.compile(rb"(https?)://([^/?]*)(/[^?]*)?", re.IGNORECASE)
_PORTS = {b"http": b"80", b"https": b"443"}


def check(notable: list[Field], facts: dict[bytes, bytes], version: str) -> None:
    """Raise Refused for what no request may say. *facts*: the notable headers by name."""
    if version not in ("1.1", "1.0"):
        raise Refused(505, "HTTP version not supported")
    if len(facts) < len(notable):
        _refuse_repeated(notable)
    if HOST not in facts and version == "1.1":
        raise Refused(400, "no Host")
    if CODING in facts:
        _check_coding(facts[CODING].lower(), version)
    if EXPECT in facts and facts[EXPECT].lower() != b"100-continue":
        raise Refused(417, "unknown expectation")


def _refuse_repeated(notable: list[Field]) -> None:
    names = [name for name, _ in notable]
    for name in (HOST, LENGTH, CODING, EXPECT):
        if names.count(name) > 1:
            raise Refused(400, f"several {name.decode()} headers")


def _check_coding(coding: bytes, version: str) -> None:
    if version == "1.0":
        raise Refused(400, "Transfer-Encoding with HTTP/1.0")
    if coding == b"chunked":
        return
    if coding.rpartition(b",")[2].strip(b" \t") == b"chunked":
        raise Refused(501, "transfer coding not implemented")
    raise Refused(400, "the last transfer coding must be chunked")


def path_of(method: str, target: bytes, host: bytes) -> bytes:
    """The path of a target that isn't in origin-form: RFC 9112, section 3.2."""
    if target == b"*":
        if method != "OPTIONS":
            raise Refused(400, "asterisk-form is for OPTIONS")
        return target
    absolute = _ABSOLUTE.match(target)
    if absolute is None:
        raise Refused(400, "malformed target")
    scheme, authority, path = absolute.groups()
    learn_host(authority)
    port = _PORTS[scheme.lower()]
    named = _without(port, authority)
    if not named or (host and _without(port, host) != named):
        raise Refused(400, "the target and Host name different authorities")
    return path or b"/"


def _without(port: bytes, authority: bytes) -> bytes:
    """An authority as it is compared, without a port that goes without saying: RFC 9110, 4.2.3."""
    return authority.lower().removesuffix(b":" + port).removesuffix(b":")


def measure_line(method: bytes, target: bytes, limits: Limits) -> None:
    """Raise Refused where the request line is too long."""
    if len(method) + len(target) + len("  HTTP/1.1") > limits.request_line:
        raise Refused(414, "the request line is too long")


def measure_fields(fields: list[Field], limits: Limits) -> None:
    """Raise Refused where a header section, or a trailer section, is over a limit."""
    whole = len(b"".join(chain.from_iterable(fields))) + len(fields) * len(": \r\n")
    least = min(limits.header_field, limits.headers_size)
    if whole <= least and len(fields) <= limits.headers:
        return  # so none of them is too large, nor all; to look at each takes six times as long
    sizes = [len(name) + len(value) + len(": \r\n") for name, value in fields]
    if len(sizes) > limits.headers:
        raise Refused(431, "too many header fields")
    if sum(sizes) > limits.headers_size:
        raise Refused(431, "the header fields are too large")
    if sizes and max(sizes) > limits.header_field:
        raise Refused(431, "a header field is too large")


def check_trailers(fields: list[Field], limits: Limits) -> None:
    """Raise Refused for a trailer section that is too large, or has what no trailer may be."""
    measure_fields(fields, limits)
    for name, _ in fields:
        if name in NO_TRAILERS:
            raise Refused(400, f"{name.decode()} as a trailer")


def verdict(error: Exception) -> Refused:
    """What llhttp's complaint means to the peer. Raises what is no fault of the peer's."""
    cause = error.__context__  # raised in one of its callbacks
    if isinstance(cause, Refused):
        return cause
    if isinstance(cause, UnicodeDecodeError):
        return Refused(400, "malformed target")
    if cause is not None:
        raise cause
    reason = str(error)
    if reason in ("Invalid HTTP version", "Pause on PRI/Upgrade"):
        return Refused(505, "HTTP version not supported")
    return Refused(400, reason.replace("`", ""))
