"""The requests that are served: those of the grammar, and what is tolerated beyond it."""

from tests.http.corpus import CHUNKED, END, FULL, Case, Rule, Seen, chunks, get, host, line, post
from tests.http.requests import GET

ROOT: Seen = ("GET", "/", b"")
UPGRADE = (b"Connection: upgrade", b"Upgrade: h2c")
METHODS = (
    *("HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "QUERY", "PROPFIND", "SEARCH"),
    *("REPORT", "M-SEARCH", "NOTIFY", "PURGE", "MKCALENDAR", "LINK"),
)


def _each(rfc: str, *entries: tuple[str, bytes, tuple[Seen, ...]]) -> list[Case]:
    return [Case(name, rfc, data, 0, seen) for name, data, seen in entries]


def _path(target: str, path: str) -> tuple[str, bytes, tuple[Seen, ...]]:
    return (f"target {target}", line(f"GET {target} HTTP/1.1\r\n".encode()), (("GET", path, b""),))


def _body(name: str, body: bytes, seen: bytes) -> tuple[str, bytes, tuple[Seen, ...]]:
    return (name, chunks(body) + GET, (("POST", "/", seen), ROOT))


SERVED = [
    *_each(
        "RFC 9112, 3",
        ("plain", GET, (ROOT,)),
        *(
            (f"method {name}", line(f"{name} / HTTP/1.1\r\n".encode()), ((name, "/", b""),))
            for name in METHODS
        ),
        ("http/1.0", b"GET / HTTP/1.0\r\n\r\n", (ROOT,)),
        ("http/1.0 with a Host", b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", (ROOT,)),
        (
            "http/1.0 kept alive",
            b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + GET,
            (ROOT, ROOT),
        ),
        (
            "http/1.0 with a body",
            b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\nx",
            (("POST", "/", b"x"),),
        ),
    ),
    *_each("RFC 9112, 2.2", ("empty lines before it", b"\r\n\r\n" + GET, (ROOT,))),
    *_each(
        "RFC 9112, 3.2",
        _path("/a%20b%C3%A4?x=%20&y", "/a bä"),
        _path("/a/../b/./c//d", "/a/../b/./c//d"),
        _path("//b/", "//b/"),
        _path("/a;b=c,d", "/a;b=c,d"),
        _path("/%2F%2e%2E", "/" + "/.."),
        _path("/?a?b/c", "/"),
        _path("/~!$&'()*+,;=:@-._", "/~!$&'()*+,;=:@-._"),
        _path("/%00", "/\0"),
        _path("http://a/b?c", "/b"),
        _path("HTTP://A/", "/"),
        _path("http://a", "/"),
        _path("http://a?q=/x", "/"),
        _path("https://a/", "/"),
        _path("http://a:80/", "/"),
        _path("http://a:/", "/"),
        _path("https://a:443/", "/"),
        (
            "absolute with a port",
            b"GET http://a:1/b HTTP/1.1\r\nHost: a:1\r\n\r\n",
            (("GET", "/b", b""),),
        ),
        (
            "absolute beside the port of http",
            b"GET http://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n",
            (ROOT,),
        ),
        (
            "absolute with an address",
            b"GET http://[::1]:1/ HTTP/1.1\r\nHost: [::1]:1\r\n\r\n",
            (ROOT,),
        ),
        ("absolute in 1.0", b"GET http://a/b HTTP/1.0\r\n\r\n", (("GET", "/b", b""),)),
        ("asterisk", line(b"OPTIONS * HTTP/1.1\r\n"), (("OPTIONS", "*", b""),)),
        (
            "a long line",
            line(b"GET /" + b"x" * 8178 + b" HTTP/1.1\r\n"),
            (("GET", "/" + "x" * 8178, b""),),
        ),
    ),
    *_each(
        "RFC 9110, 7.2",
        *(
            (f"host {value.decode()!r}", host(value), (ROOT,))
            for value in (
                *(b"", b"a", b"A.b-c.example", b"a:80", b"a:", b"127.0.0.1:8000", b"[::1]", b"a_b"),
                *(
                    b"[::1]:80",
                    b"[::ffff:1.2.3.4]",
                    b"[v1.a]",
                    b"%41",
                    b" a ",
                    b"xn--4ca",
                    b"a~!$&'",
                ),
            )
        ),
    ),
    *_each(
        "RFC 9110, 5",
        ("blanks around values", get(b"X: \t a \t ", b"Y:b"), (ROOT,)),
        ("an empty value", get(b"X:", b"Y: "), (ROOT,)),
        ("a value with colons", get(b"X::a:"), (ROOT,)),
        ("a value with tabs", get(b"X: a\tb"), (ROOT,)),
        ("a value beyond ASCII", get(b"X: \x80\xff"), (ROOT,)),
        ("a name of all that a token may have", get(b"!#$%&'*+-.^_`|~0Az: a"), (ROOT,)),
        ("a repeated field", get(b"X: a", b"X: b", b"x: c"), (ROOT,)),
        ("many fields", get(*[b"X: y"] * 127), (ROOT,)),
        ("as large fields as may be", get(*FULL), (ROOT,)),
        ("a large field", get(b"X: " + b"x" * 16_379), (ROOT,)),
        ("a header named as a trailer", get(b"Trailer: X", b"TE: trailers"), (ROOT,)),
    ),
    *_each(
        "RFC 9112, 6.2",
        (
            "content-length",
            post(b"Content-Length: 5") + b"hello" + GET,
            (("POST", "/", b"hello"), ROOT),
        ),
        ("content-length of nothing", post(b"Content-Length: 0") + GET, (("POST", "/", b""), ROOT)),
        ("no content-length", post() + GET, (("POST", "/", b""), ROOT)),
        (
            "zeros before a length",
            post(b"Content-Length: 0001") + b"x" + GET,
            (("POST", "/", b"x"), ROOT),
        ),
        (
            "blanks after a length",
            post(b"Content-Length:\t1 \t") + b"x" + GET,
            (("POST", "/", b"x"), ROOT),
        ),
        ("a body of requests", post(b"Content-Length: %d" % len(GET)) + GET, (("POST", "/", GET),)),
        ("a body of a GET", get(b"Content-Length: 1") + b"x" + GET, (("GET", "/", b"x"), ROOT)),
        (
            "a body of a HEAD",
            b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx" + GET,
            (("HEAD", "/", b"x"), ROOT),
        ),
    ),
    *_each(
        "RFC 9112, 7.1",
        _body("chunks", b"5\r\nhello\r\n6\r\n world\r\n" + END, b"hello world"),
        _body("no chunk", END, b""),
        _body(
            "a size in either case",
            b"A\r\n0123456789\r\na\r\n0123456789\r\n" + END,
            b"0123456789" * 2,
        ),
        _body("zeros before a size", b"0" * 30 + b"1\r\nx\r\n000\r\n\r\n", b"x"),
        _body("extensions", b'1;a\r\nx\r\n1;a=b;c="d \\" e\xe4"\r\ny\r\n0;f=g\r\n\r\n', b"xy"),
        _body("trailers", b"1\r\nx\r\n0\r\nT: y\r\nX-Checksum: z\r\n\r\n", b"x"),
        _body(
            "a trailer that signs", b"1\r\nx\r\n0\r\nDigest: y\r\nServer-Timing: z\r\n\r\n", b"x"
        ),
        _body("as many trailers as may be", b"0\r\n" + b"X: y\r\n" * 128 + b"\r\n", b""),
        _body(
            "as large trailers as may be",
            b"1\r\nx\r\n0\r\n" + b"\r\n".join((*FULL, b"Y: 3456", b"", b"")),
            b"x",
        ),
        _body("chunks of line ends", b"4\r\n\r\n\r\n\r\n" + END, b"\r\n\r\n"),
        (
            "a coding in any case",
            post(b"Transfer-Encoding: CHUNKed ") + END + GET,
            (("POST", "/", b""), ROOT),
        ),
        (
            "a tab before the coding",
            post(b"Transfer-Encoding:\tchunked") + END + GET,
            (("POST", "/", b""), ROOT),
        ),
        (
            "chunks of a GET",
            get(b"Transfer-Encoding: chunked") + b"1\r\nx\r\n" + END,
            (("GET", "/", b"x"),),
        ),
    ),
    *_each(
        "RFC 9112, 9.3",
        (
            "pipelined",
            GET + post(b"Content-Length: 1") + b"x" + GET,
            (ROOT, ("POST", "/", b"x"), ROOT),
        ),
        ("bytes after the last", get(b"Connection: close") + GET, (ROOT,)),
        ("close among others", get(b"Connection: x, Close") + GET, (ROOT,)),
        (
            "close in a second field",
            get(b"Connection: keep-alive", b"Connection: close") + GET,
            (ROOT,),
        ),
        ("what only looks like close", get(b"Connection: xclose") + GET, (ROOT, ROOT)),
        ("an empty Connection", get(b"Connection:") + GET, (ROOT, ROOT)),
    ),
    *_each(
        "RFC 9110, 7.8",
        ("upgrade", get(*UPGRADE) + GET, (ROOT, ROOT)),
        ("upgrade without a connection", get(b"Upgrade: h2c") + GET, (ROOT, ROOT)),
        ("upgrade to nothing", get(b"Connection: upgrade", b"Upgrade:") + GET, (ROOT, ROOT)),
        ("upgrade in 1.0", b"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", (ROOT,)),
        (
            "upgrade with a body",
            post(*UPGRADE, b"Content-Length: 3") + b"abc" + GET,
            (("POST", "/", b"abc"), ROOT),
        ),
        (
            "upgrade with chunks",
            post(*UPGRADE, b"Transfer-Encoding: chunked") + b"3\r\nabc\r\n" + END + GET,
            (("POST", "/", b"abc"), ROOT),
        ),
    ),
    *_each(
        "RFC 9110, 10.1.1",
        (
            "expect",
            post(b"Expect: 100-continue", b"Content-Length: 1") + b"x",
            (("POST", "/", b"x"),),
        ),
        (
            "expect in any case",
            post(b"Expect: 100-Continue", b"Content-Length: 1") + b"x",
            (("POST", "/", b"x"),),
        ),
        (
            "expect with chunks",
            CHUNKED[:-2] + b"Expect: 100-continue\r\n\r\n" + END,
            (("POST", "/", b""),),
        ),
        ("expect without a body", get(b"Expect: 100-continue") + GET, (ROOT, ROOT)),
        (
            "expect in 1.0",
            b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
            (("POST", "/", b"x"),),
        ),
    ),
]

# What llhttp passes over without a word, and what would cost every request to find out. None of it
# moves the border between two requests.
TOLERANCE = [
    Rule(
        "several blanks between the parts of the request line, which recipients may take for one",
        "RFC 9112, 3",
        0,
        {
            "two blanks before the target": line(b"GET  / HTTP/1.1\r\n"),
            "two blanks after the target": line(b"GET /  HTTP/1.1\r\n"),
        },
    ),
    Rule(
        "lone CR and LF before the request line, as if they were empty lines; no more of them than "
        "arrive within the timeouts",
        "RFC 9112, 2.2",
        0,
        {
            "LF before it": b"\n\n" + GET,
            "CR before it": b"\r" + GET,
            "CR CR LF before it": b"\r\r\n" + GET,
            "a thousand empty lines": b"\r\n" * 1000 + GET,
        },
    ),
    Rule(
        "RTSP/1.0 and RTSP/1.1 in the place of HTTP/1.0 and HTTP/1.1",
        "RFC 9112, 2.3",
        0,
        {
            "rtsp/1.0": line(b"GET / RTSP/1.0\r\n"),
            "rtsp/1.1": line(b"GET / RTSP/1.1\r\n"),
        },
    ),
    Rule(
        "characters in a target that should be escaped, and incomplete escapes: both reach the "
        "application as they are",
        "RFC 3986, 2",
        0,
        {"unwise": line(b'GET /%zz"<>\\^`{|} HTTP/1.1\r\n')},
    ),
    Rule(
        "an empty name or value in a chunk extension, which nobody reads",
        "RFC 9112, 7.1.1",
        0,
        {
            "an extension without a name": chunks(b"1;=b\r\nx\r\n" + END),
            "an extension without a value": chunks(b"1;a=\r\nx\r\n" + END),
        },
    ),
    Rule(
        "an absolute target beside an empty Host",
        "RFC 9112, 3.2.2",
        0,
        {"absolute beside an empty host": b"GET http://a/ HTTP/1.1\r\nHost:\r\n\r\n"},
    ),
]
_UNWISE = '/%zz"<>\\^`{|}'
_SEEN = {
    "unwise": ("GET", _UNWISE, b""),
    "an extension without a name": ("POST", "/", b"x"),
    "an extension without a value": ("POST", "/", b"x"),
}
TOLERATED = [
    Case(name, rule.rfc, data, 0, (_SEEN.get(name, ROOT),))
    for rule in TOLERANCE
    for name, data in rule.examples.items()
]
