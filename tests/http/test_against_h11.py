"""We understand what h11 does, but for what is named here."""

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from tests.http.corpus import Case
from tests.http.grammar import mutated
from tests.http.peer import ours, theirs
from tests.http.requests import GET
from tests.http.served import SERVED

# Why we refuse what h11 serves → by what we say of it.
STRICTER = {
    "h11 takes any token as a method; llhttp knows its own, and we serve fewer": (
        *("Invalid method encountered", "Expected space after method", "method not implemented"),
    ),
    "h11 takes any version of the form HTTP/x.y": ("HTTP version not supported",),
    "h11 does not look into the target, nor into Host": (
        *("Invalid characters in url", "Invalid char in url path", "Unexpected char in url schema"),
        *("Unexpected char in url server", "Unexpected start char in url", "malformed target"),
        *("a fragment in the target", "asterisk-form is for OPTIONS", "malformed Host"),
        *("the target and Host name different authorities", "Invalid char in url query"),
        *("Expected HTTP/2 Connection Preface", "Invalid char in url fragment start"),
        *("Double @ in url", "Unexpected char in url fragment start"),
    ),
    "h11 takes LF for CRLF, as RFC 9112, section 2.2, allows": (
        *("Expected CRLF after version", "Missing expected CR after header value"),
        *("Invalid header field char", "Missing expected CR after chunk size"),
        "Missing expected CR after response line",
    ),
    "h11 unfolds a value, as RFC 9112, section 5.2, allows": (
        *("Unexpected whitespace after header value", "Invalid header value char"),
    ),
    "h11 lets pass control characters but NUL, CR and LF": ("Invalid header value char",),
    "h11 takes lengths that agree for one, as RFC 9110, section 8.6, allows": (
        *("Duplicate Content-Length", "Invalid character in Content-Length"),
    ),
    "h11 heeds the coding alone, as RFC 9112, section 6.3, allows": (
        "Content-Length can't be present with Transfer-Encoding",
        "Transfer-Encoding can't be present with Content-Length",
    ),
    "h11 skips blanks after a chunk size": ("Invalid character in chunk size",),
    "h11 does not look into chunk extensions": (
        *("Invalid character in chunk extensions", "Invalid character in chunk extensions name"),
        *("Invalid character in chunk extensions value", "Expected LF after chunk size"),
        *("Invalid character in chunk extensions quoted value",),
        *("Invalid character in chunk extensions quote value",),
        *("Missing expected CR after chunk extension value",),
        *("Missing expected CR after chunk extension name",),
    ),
    "h11 leaves the rules for trailers to its user": ("host as a trailer", "te as a trailer"),
    "h11 leaves Expect to its user": ("unknown expectation", "several expect headers"),
    "h11 takes Host in 1.0 as it comes": ("several host headers",),
    "llhttp takes no blank after the coding but a space": (
        "Request has invalid Transfer-Encoding",
    ),
}
# Why we serve what h11 refuses → how that is said there.
MORE_LENIENT = {
    "llhttp skips CR and LF before a request, h11 CRLF alone": (
        *("no request line received", "illegal request line: bytearray(b'\\r"),
        "illegal request line: bytearray(b'\\n",
    ),
    "llhttp takes several blanks for one, as RFC 9112, section 3, allows": (
        "illegal request line: bytearray(b'",
    ),
    "zeros before a number are none too many": (
        "bad Content-Length",
        "illegal chunk header: bytearray(b'0000",
    ),
}
QUICK = 1500  # examples: some seconds
LONG = 100_000
SETTINGS = settings(deadline=None, suppress_health_check=list(HealthCheck))


def _why(reason: str, table: dict[str, tuple[str, ...]]) -> str:
    """The name of the difference; empty: there is none that is known."""
    for why, known in table.items():
        if reason.startswith(known):
            return why
    return ""


def compare(data: bytes) -> str:
    """The name of the first difference; empty: none. Raises AssertionError for one unknown."""
    us, them = ours(data), theirs(data)
    both = min(len(us.requests), len(them.requests))
    assert us.requests[:both] == them.requests[:both]
    if us.refusal and (not them.refusal or len(us.requests) < len(them.requests)):
        why = _why(us.refusal, STRICTER)
        assert why, f"we refuse: {us.refusal}"
        return why
    if them.refusal and (not us.refusal or len(them.requests) < len(us.requests)):
        why = _why(them.refusal, MORE_LENIENT)
        assert why, f"h11 refuses: {them.refusal}"
        return why
    if len(us.requests) > both and them.is_over and b"HTTP/1.0" in data:
        return "h11 keeps no connection of HTTP/1.0"
    assert us.requests == them.requests
    assert us.unfinished == them.unfinished or us.refusal
    return ""


@settings(SETTINGS, max_examples=QUICK)
@given(mutated())
def test_we_understand_what_h11_does(data: bytes) -> None:
    event(compare(data) or "no difference")


@pytest.mark.slow
@settings(SETTINGS, max_examples=LONG)
@given(mutated())
def test_we_understand_what_h11_does_at_length(data: bytes) -> None:
    compare(data)


@pytest.mark.parametrize("case", SERVED, ids=repr)
def test_what_is_served_is_understood_alike(case: Case) -> None:
    compare(case.data)


@given(st.binary(max_size=40))
def test_noise_is_understood_alike(noise: bytes) -> None:
    compare(GET + noise)
