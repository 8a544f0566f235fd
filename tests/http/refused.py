"""The requests that are refused, by rule. All limits are those of `requests.LIMITS`."""

from tests.http.corpus import (
    CHUNKED,
    END,
    FULL,
    Case,
    Rule,
    cases,
    chunks,
    get,
    host,
    line,
    named,
    post,
)

# What no value may have: every control character but HTAB; CR, LF have rules of their own.
CONTROLS = [bytes([code]) for code in (*range(9), 11, 12, *range(14, 32), 127)]
FORBIDDEN_TRAILERS = (
    *(b"Content-Length: 1", b"Transfer-Encoding: chunked", b"Host: b", b"Connection: close"),
    *(b"Upgrade: h2c", b"Trailer: X", b"TE: trailers", b"Content-Type: text/plain"),
    *(b"Content-Encoding: gzip", b"Content-Range: bytes 0-1/2", b"Authorization: Basic eA=="),
    *(b"Proxy-Authorization: x", b"Cookie: a=b", b"Set-Cookie: a=b", b"Cache-Control: no-store"),
    *(b"Expect: 100-continue", b"Max-Forwards: 1", b"Range: bytes=0-1", b"If-Match: x"),
    *(b"If-None-Match: x", b"hOsT: b"),
)

FRAMING = [
    Rule(
        "Content-Length beside Transfer-Encoding",
        "RFC 9112, 6.3",
        400,
        {
            "coding, then length": post(b"Transfer-Encoding: chunked", b"Content-Length: 5") + END,
            "length, then coding": post(b"Content-Length: 5", b"Transfer-Encoding: chunked") + END,
            "coding and length of a GET": get(b"Content-Length: 5", b"Transfer-Encoding: chunked")
            + END,
            "a length beside an empty coding": post(b"Transfer-Encoding:", b"Content-Length: 0"),
        },
    ),
    Rule(
        "several Content-Length fields, even if they agree",
        "RFC 9110, 8.6",
        400,
        {
            "two lengths": post(b"Content-Length: 1", b"Content-Length: 1") + b"x",
            "two lengths that differ": post(b"Content-Length: 1", b"Content-Length: 2") + b"xy",
            "two lengths, one empty": post(b"Content-Length: 1", b"Content-Length:") + b"x",
        },
    ),
    Rule(
        "a Content-Length that is not one number of digits, or beyond 64 bits",
        "RFC 9110, 8.6",
        400,
        named(
            "length",
            post(b"Content-Length: %b") + b"x",
            *(b"", b"+1", b"-1", b"1_0", b"0x1", b"1, 1", b"1,1", b"1 1", b"1;", b"1.0", b"1e1"),
            *(b"one", b"\xb2", b"\x0b1", b"99999999999999999999", b"18446744073709551616"),
        ),
    ),
    Rule(
        "a Transfer-Encoding whose last coding is not `chunked`",
        "RFC 9112, 6.1 and 6.3",
        400,
        named(
            "coding",
            post(b"Transfer-Encoding: %b") + END,
            *(b"", b"identity", b"gzip", b"chunk", b"xchunked", b"chunkedx", b"chunked;q=1"),
            *(b'"chunked"', b"x chunked", b"gzip\tchunked", b"chunked, identity", b"chunked,"),
            *(b"chunked ,", b"chunked, chunked", b"chunked, gzip", b"\x0bchunked", b"chunked\x0b"),
        ),
    ),
    Rule(
        "several Transfer-Encoding fields",
        "RFC 9112, 6.1",
        400,
        {
            "chunked twice": post(*[b"Transfer-Encoding: chunked"] * 2) + END,
            "another coding first": post(b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked")
            + END,
            "another coding last": post(
                b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"
            )
            + END,
        },
    ),
    Rule(
        "a coding before `chunked`",
        "RFC 9112, 6.1",
        501,
        named(
            "coding",
            post(b"Transfer-Encoding: %b") + END,
            *(b"gzip, chunked", b"gzip,chunked", b"identity, chunked", b", chunked"),
        ),
    ),
    Rule(
        "Transfer-Encoding in HTTP/1.0",
        "RFC 9112, 6.1",
        400,
        {"chunked in 1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + END},
    ),
]

CHUNKS = [
    Rule(
        "a chunk size that is not hexadecimal digits alone, or beyond 64 bits",
        "RFC 9112, 7.1",
        400,
        named(
            "size",
            CHUNKED + b"%b\r\nx\r\n" + END,
            *(b"", b"+1", b"-1", b"-0", b"0x1", b"1_0", b"g", b"1g", b" 1", b"1 ", b"1\t", b"1,a"),
            *(b"1a=b", b"1\0", b"10000000000000001", b"1 ;a=b"),
        ),
    ),
    Rule(
        "a chunk that does not end where its size says, or not by CRLF",
        "RFC 9112, 7.1",
        400,
        {
            "a chunk too long": chunks(b"1\r\nxy\r\n" + END),
            "a chunk without its end": chunks(b"1\r\nx" + END),
            "a chunk that ends twice": chunks(b"1\r\n\r\nx\r\n" + END),
            "LF after a size": chunks(b"1\nx\r\n" + END),
            "CR after a size": chunks(b"1\rx\r\n" + END),
            "LF after data": chunks(b"1\r\nx\n" + END),
            "CR after data": chunks(b"1\r\nx\r" + END),
            "LF after the last size": chunks(b"1\r\nx\r\n0\n\r\n"),
            "LF at the end of chunks": chunks(b"1\r\nx\r\n0\r\n\n"),
            "CR at the end of chunks": chunks(b"1\r\nx\r\n0\r\n\rX"),
        },
    ),
    Rule(
        "a malformed chunk extension",
        "RFC 9112, 7.1.1",
        400,
        named(
            "extension",
            CHUNKED + b"1;%b\r\nx\r\n" + END,
            *(b"", b";", b"a = b", b"(=b", b"a=(", b"a\x01", b"a=\0", b"a=\x7f", b"a=\xe4"),
            *(b'a="b', b'a="b"c', b'a="\r"', b'a="\n"', b"a=b\rX", b"a=b\nX", b'a="\0"'),
        ),
    ),
    Rule(
        "chunk extensions over `max_headers_size`",
        "RFC 9112, 7.1.1",
        400,
        {"an extension too large": chunks(b"1;" + b"x" * 80_000 + b"\r\nx\r\n" + END)},
    ),
    Rule(
        "a trailer that frames, routes, authenticates, or tells how the content is to be read",
        "RFC 9110, 6.5.1",
        400,
        named("trailer", chunks(b"1\r\nx\r\n0\r\n%b\r\n\r\n"), *FORBIDDEN_TRAILERS),
    ),
    Rule(
        "a malformed trailer",
        "RFC 9112, 7.1.2",
        400,
        named(
            "malformed trailer",
            chunks(b"0\r\n%b\r\n"),
            *(b"X: y\r\n z\r\n", b"X : y\r\n", b"X: \0\r\n", b"X: y\n", b"X\r\n", b": y\r\n"),
            *(b" X: y\r\n", b"X: y\rZ: z\r\n"),
        ),
    ),
    Rule(
        "trailers over the limits of header fields",
        "RFC 6585, 5",
        431,
        {
            "too many trailers": chunks(b"0\r\n" + b"X: y\r\n" * 129 + b"\r\n"),
            "too many trailers, then a malformed one": chunks(
                b"0\r\n" + b"X: y\r\n" * 130 + b" \r\n"
            ),
            "a trailer too large": chunks(b"0\r\nX: " + b"x" * 16_380 + b"\r\n\r\n"),
            "trailers too large by a byte": chunks(
                b"0\r\n" + b"\r\n".join((*FULL, b"Y: 34567", b"", b""))
            ),
            "trailers too large": chunks(
                b"0\r\n" + (b"X: " + b"x" * 9_000 + b"\r\n") * 8 + b"\r\n"
            ),
        },
    ),
]

FIELDS = [
    Rule(
        "a control character, but a tab, in a field's value",
        "RFC 9110, 5.5",
        400,
        {
            **named("value with", get(b"X: a%bb"), *CONTROLS),
            **named("value of", get(b"X: %b"), b"\0", b"\x0b", b"\x7f"),
        },
    ),
    Rule(
        "a line that ends by LF alone, or has a CR elsewhere",
        "RFC 9112, 2.2",
        400,
        {
            "all by LF": b"GET / HTTP/1.1\nHost: a\n\n",
            "LF after the request line": line(b"GET / HTTP/1.1\n"),
            "CR after the request line": line(b"GET / HTTP/1.1\r"),
            "CR twice after the request line": line(b"GET / HTTP/1.1\r\r\n"),
            "LF after a field": b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
            "LF CR after a field": b"GET / HTTP/1.1\r\nHost: a\n\rX: y\r\n\r\n",
            "CR in a value": get(b"X: a\rb"),
            "CR before a second field": get(b"X: a\rY: b"),
            "CR at the end of a value": get(b"X: a\r"),
            "LF in a value": get(b"X: a\nb"),
            "LF at the end": get()[:-2] + b"\n",
            "CR at the end": get()[:-2] + b"\rX",
        },
    ),
    Rule(
        "a value that is folded into a second line",
        "RFC 9112, 5.2",
        400,
        {
            "folded by a blank": get(b"X: a\r\n b"),
            "folded by a tab": get(b"X: a\r\n\tb"),
            "folded from the start": get(b"X:\r\n b"),
            "a folded coding": post(b"Transfer-Encoding:\r\n chunked") + END,
            "a blank before the first field": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            "a line of blanks": get(b"X: a\r\n  "),
        },
    ),
    Rule(
        "a blank between a field's name and its colon",
        "RFC 9112, 5.1",
        400,
        {
            "blank before the colon": get(b"X : a"),
            "tab before the colon": get(b"X\t: a"),
            "blank after Host": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "blank after Content-Length": post(b"Content-Length : 1") + b"x",
            "blank after Transfer-Encoding": post(b"Transfer-Encoding : chunked") + END,
            "VT after Transfer-Encoding": post(b"Transfer-Encoding\x0b: chunked") + END,
        },
    ),
    Rule(
        "a field's name that is no token, or missing",
        "RFC 9110, 5.1",
        400,
        {
            **named(
                "name",
                get(b"%b: a"),
                *(b"", b"X\0", b"X\x7f", b"X\xc3\xa4", b"X(", b"X)", b"X,", b"X/", b"X;", b"X<"),
                *(b"X=", b"X?", b"X@", b"X[", b"X\\", b'X"', b"{X}", b"X Y", b"\x01X"),
            ),
            "a field without colon": get(b"X"),
            "a field without colon, before another": get(b"X", b"Y: z"),
        },
    ),
    Rule(
        "no Host in HTTP/1.1, or several in any version",
        "RFC 9112, 3.2",
        400,
        {
            "no field": b"GET / HTTP/1.1\r\n\r\n",
            "no Host": b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
            "no Host beside an absolute target": b"GET http://a/ HTTP/1.1\r\nX: y\r\n\r\n",
            "two Hosts": get(b"Host: a"),
            "two Hosts that differ": get(b"Host: b"),
            "two Hosts in 1.0": b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
        },
    ),
    Rule(
        "a Host that is not a name or an address, with or without a port",
        "RFC 9110, 7.2; RFC 3986, 3.2",
        400,
        {
            **named(
                "host",
                host(b"%b"),
                *(b"a b", b"a\tb", b"a/b", b"a?b", b"a#b", b"a\\b", b"u@a", b"http://a", b"a:b"),
                *(b"a:80:80", b"a:-1", b"::1", b"[::1", b"[]", b"[gg]", b"[:]", b"[1.2.3.4]"),
                *(b"[::1]a", b"a, a", b'"a"', b"\xe4", b"%zz", b"%4", b"<a>"),
            ),
            "a malformed host in 1.0": b"GET / HTTP/1.0\r\nHost: a b\r\n\r\n",
        },
    ),
    Rule(
        "several Expect fields",
        "RFC 9110, 10.1.1",
        400,
        {"expect twice": post(*[b"Expect: 100-continue"] * 2, b"Content-Length: 1") + b"x"},
    ),
    Rule(
        "an Expect of anything but 100-continue",
        "RFC 9110, 10.1.1",
        417,
        named(
            "expect",
            post(b"Expect: %b", b"Content-Length: 1"),
            *(b"", b"200-ok", b"100-continue, x", b"100-continue;q=1", b"a miracle"),
        ),
    ),
]

LINES = [
    Rule(
        "a version that is malformed, or in lower case",
        "RFC 9112, 2.3",
        400,
        named(
            "version",
            line(b"GET / %b\r\n"),
            *(b"http/1.1", b"Http/1.1", b"HTTP/1", b"HTTP/1.", b"HTTP/.1", b"HTTP/1,1", b"HTTP/2"),
            *(b"HTTP/3", b"HTTP/1.10", b"HTTP/11.1", b"HTTP/01.1", b"HTTP/+1.1", b"HTTP/1.1x"),
            *(b"HTTPS/1.1", b"HTTP /1.1", b"HTTP/ 1.1", b"FTP/1.1", b"HTTP/1.1 "),
        ),
    ),
    Rule(
        "a version that is not served",
        "RFC 9110, 15.6.6",
        505,
        {
            **named(
                "version",
                line(b"GET / HTTP/%b\r\n"),
                *(b"0.9", b"1.2", b"1.9", b"2.0", b"3.0", b"9.9"),
            ),
            "a simple request of 0.9": b"GET /\r\n\r\n",
            "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        },
    ),
    Rule(
        "a method that is no token, in lower case, or unknown to the parser",
        "RFC 9110, 9.1",
        400,
        named(
            "method",
            line(b"%b / HTTP/1.1\r\n"),
            *(b"", b"get", b"Get", b"G(T", b"G\0T", b"GET\x0b", b"\xc3\xa4", b"GETS", b"FOO"),
            *(b" GET", b"\0GET", b"GET\r\n", b"GET:"),
        ),
    ),
    Rule(
        "CONNECT, and methods of other protocols",
        "RFC 9110, 15.6.2",
        501,
        {
            "connect": b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
            "play": line(b"PLAY / RTSP/1.0\r\n"),
            "source": line(b"SOURCE / HTTP/1.1\r\n"),
            "source of ice": line(b"SOURCE / ICE/1.0\r\n"),
        },
    ),
    Rule(
        "a target with a control character, a blank, or a byte beyond ASCII",
        "RFC 9112, 3.2; RFC 3986, 2",
        400,
        {
            **named("target", line(b"GET /%b HTTP/1.1\r\n"), *CONTROLS, b"a b", b"\xe4", b"\xff"),
            **named("query", line(b"GET /?%b HTTP/1.1\r\n"), b"a b", b"\0", b"\x7f", b"\xe4"),
            "tab after the target": line(b"GET /\tHTTP/1.1\r\n"),
            "tab before the target": line(b"GET\t/ HTTP/1.1\r\n"),
            "CR in the target": line(b"GET /\ra HTTP/1.1\r\n"),
            "LF in the target": line(b"GET /\na HTTP/1.1\r\n"),
        },
    ),
    Rule(
        "a target with a fragment",
        "RFC 9112, 3.2.1",
        400,
        named(
            "target",
            line(b"GET %b HTTP/1.1\r\n"),
            *(b"/a#b", b"/?a#b", b"/#", b"http://a/#b", b"http://a?b#c", b"#a"),
        ),
    ),
    Rule(
        "a target of no form",
        "RFC 9112, 3.2",
        400,
        named(
            "target",
            line(b"GET %b HTTP/1.1\r\n"),
            *(
                b"",
                b"a",
                b"?",
                b"?q",
                b"*a",
                b"a/b",
                b"ftp://a/",
                b"http:/a",
                b"http:a",
                b"file:///a",
            ),
        ),
    ),
    Rule(
        "`*` as a target of anything but OPTIONS",
        "RFC 9112, 3.2.4",
        400,
        {
            "asterisk of a GET": line(b"GET * HTTP/1.1\r\n"),
            "asterisk of a POST": line(b"POST * HTTP/1.1\r\n"),
        },
    ),
    Rule(
        "an authority alone as a target of anything but CONNECT",
        "RFC 9112, 3.2.3",
        400,
        named("target", line(b"GET %b HTTP/1.1\r\n"), b"a:80", b"a.b:80", b"[::1]:80", b"a:"),
    ),
    Rule(
        "a target's authority that is malformed, or has user information",
        "RFC 9110, 4.2.4; RFC 3986, 3.2",
        400,
        named(
            "target",
            line(b"GET %b HTTP/1.1\r\n"),
            *(b"http:///x", b"http://u@a/", b"http://u:p@a/", b"http://[::1/", b"http://a:b/"),
            *(b"http://a\\b/", b"http://a /b", b"http://?q", b"http://:80/"),
        ),
    ),
    Rule(
        "a target and a Host that name different authorities",
        "RFC 9112, 3.2",
        400,
        {
            **named(
                "authority",
                line(b"GET http://%b/ HTTP/1.1\r\n"),
                b"b",
                b"a:81",
                b"a.",
                b"aa",
                b"%61",
            ),
            "an authority with https' port": line(b"GET http://a:443/ HTTP/1.1\r\n"),
            "an authority beside a port": b"GET http://a/ HTTP/1.1\r\nHost: a:81\r\n\r\n",
        },
    ),
    Rule(
        "bytes that are no HTTP",
        "RFC 9112, 2.2",
        400,
        {
            "nonsense": b"nonsense\r\n\r\n",
            "a TLS handshake": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            "NUL": b"\0",
            "an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "a BOM": b"\xef\xbb\xbf" + get(),
        },
    ),
]

LARGE = [
    Rule(
        "a request line over `max_request_line`",
        "RFC 9110, 15.5.15",
        414,
        {
            "a path too long": line(b"GET /" + b"x" * 8179 + b" HTTP/1.1\r\n"),
            "a query too long": line(b"GET /?" + b"x" * 8178 + b" HTTP/1.1\r\n"),
            "a path without end": b"GET /" + b"x" * 80_000,
        },
    ),
    Rule(
        "a field over `max_header_field`",
        "RFC 6585, 5",
        431,
        {
            "a value too large": get(b"X: " + b"x" * 16_380),
            "a name too large": get(b"x" * 16_380 + b": a"),
            "a value without end": get(b"X: " + b"x" * 80_000)[:-4],
        },
    ),
    Rule(
        "fields over `max_headers_size` in all",
        "RFC 6585, 5",
        431,
        {
            "fields too large": get(*[b"X: " + b"x" * 9_000] * 8),
            "fields too large by a byte": get(*FULL[:-1], FULL[-1] + b"x"),
        },
    ),
    Rule(
        "more fields than `max_headers`",
        "RFC 6585, 5",
        431,
        {"too many fields": get(*[b"X: y"] * 128)},
    ),
]

RULES = [*FRAMING, *CHUNKS, *FIELDS, *LINES, *LARGE]
REFUSED: list[Case] = cases(RULES)
