"""In what we and h11 understand bytes differently, each by its name, and no more than that."""

from tests.http.peer import Understood, ours, theirs

Names = dict[str, tuple[str, ...]]  # by name: what of a refusal's reason tells that it is this

# Why we refuse what h11 serves → by what we say of it.
STRICTER: Names = {
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
    "h11 leaves the rules for trailers to its user": (" as a trailer",),
    "h11 was told no limits": ("too many header fields", "too large", "too long"),
    "h11 leaves Expect to its user": ("unknown expectation", "several expect headers"),
    "h11 takes a coding in 1.0": ("Transfer-Encoding with HTTP/1.0",),
    "llhttp looks at this trailer itself": ("Invalid Transfer-Encoding header value",),
    "h11 takes Host in 1.0 as it comes": ("several host headers",),
    "llhttp takes no blank after the coding but a space": (
        "Request has invalid Transfer-Encoding",
    ),
}
# Why we serve what h11 refuses → how that is said there.
MORE_LENIENT: Names = {
    "llhttp takes what `served.TOLERANCE` says of the request line, and of what is before it": (
        *("no request line received", "illegal request line"),
    ),
    "zeros before a number are none too many": (
        "bad Content-Length",
        "illegal chunk header: bytearray(b'0000",
    ),
}
H11_WAITS = "h11 looks at a head when it is complete, we refuse what can't become one"
WE_WAIT = "llhttp waits for the end of HTTP/2's preface, before it is refused"
H11_CLOSES = "h11 keeps no connection of HTTP/1.0"


def _why(reason: str, table: Names) -> str:
    """The name of the difference. Raises AssertionError where there is none."""
    for why, known in table.items():
        if any(each in reason for each in known):
            return why
    raise AssertionError(f"not explained: {reason}")


def _is_left(them: Understood) -> bool:
    """Whether h11 doesn't look at what follows a request of HTTP/1.0."""
    return (
        them.is_over
        and not them.refusal
        and bool(them.requests)
        and them.requests[-1].version == "1.0"
    )


def difference(data: bytes) -> str:
    """The name of the first difference; empty: none. Raises AssertionError for one unknown."""
    us, them = ours(data), theirs(data)
    both = min(len(us.requests), len(them.requests))
    assert us.requests[:both] == them.requests[:both]
    if _is_left(them) and both == len(them.requests):
        goes_on = len(us.requests) > both or us.refusal or us.unfinished
        return H11_CLOSES if goes_on else ""
    if us.refusal and (not them.refusal or len(us.requests) < len(them.requests)):
        waits = them.unfinished and len(us.requests) == len(them.requests)
        return H11_WAITS if waits else _why(us.refusal, STRICTER)
    if them.refusal and (not us.refusal or len(them.requests) < len(us.requests)):
        return _why(them.refusal, MORE_LENIENT)
    if us.unfinished and b"PRI * HTTP/2.0" in data:
        return WE_WAIT
    assert us.requests == them.requests
    assert us.unfinished == them.unfinished or us.refusal
    return ""
