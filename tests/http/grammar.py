"""Requests as hypothesis makes them: mostly by the grammar, and then with a byte or two wrong."""

from hypothesis import strategies as st
from tests.http.corpus import END
from tests.http.requests import GET

METHODS = st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT"])
TARGETS = st.sampled_from(
    [b"/", b"/a/b?c=d", b"*", b"http://a/b", b"/%20", b"a", b"/a#b", b"//", b"/?", b"HTTP://A"]
)
VERSIONS = st.sampled_from([b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/1.2", b"http/1.1", b"HTTP/2.0"])
FIELDS = st.sampled_from(
    [
        *(b"X: y", b"X:  y\t", b"X:", b"x-y: \xff", b"Accept: */*, a;q=1", b"Cookie: a=b; c=d"),
        *(b"Connection: close", b"Connection: keep-alive", b"Connection: X, close"),
        *(b"Expect: 100-continue", b"Host: a", b"Host: b", b"X : y", b"X: a\r\n b", b"X: \x01"),
        *(b"Content-Length: 3", b"Content-Length: 03", b"Content-Length: 3, 3"),
        *(b"Content-Length: +3", b"Content-Length: 0", b"Content-Length:"),
        *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: Chunked "),
        *(b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity"),
    ]
)
PLAIN = st.sampled_from([b"X: y", b"x-y:z ", b"Accept: */*", b"Connection: keep-alive", b"X:\t"])
CHUNK = st.sampled_from(
    [
        *(b"3\r\nabc\r\n", b"a\r\n0123456789\r\n", b"003\r\n\r\n\r\r\n", b"3;a=b\r\nabc\r\n"),
        *(
            b'3;a="b c";d\r\nabc\r\n',
            b"3 \r\nabc\r\n",
            b"3\nabc\r\n",
            b"3\r\nabcd\r\n",
            b"0x3\r\nabc\r\n",
        ),
    ]
)
LAST = st.sampled_from(
    [END] * 4 + [b"0\r\nT: y\r\n\r\n", b"0;a\r\n\r\n", b"0\r\nHost: b\r\n\r\n", b"0\n\n"]
)
INTERESTING = st.sampled_from(
    [bytes([code]) for code in b'\0\t\n\v\r \x7f\x80\xff:;,=0139aAX/#*%"-+_']
)


@st.composite
def wild(draw: st.DrawFn) -> bytes:
    """A request whose parts need not go together."""
    line = b" ".join((draw(METHODS), draw(TARGETS), draw(VERSIONS)))
    fields = draw(st.lists(FIELDS, max_size=4))
    if draw(st.integers(0, 9)):
        fields.insert(0, b"Host: a")
    body = draw(st.sampled_from([b"", b"abc", b"3\r\nabc\r\n0\r\n\r\n"]))
    return b"\r\n".join((line, *fields, b"", body))


@st.composite
def sound(draw: st.DrawFn) -> bytes:
    """A request that is valid but for its chunks, which may not be."""
    line = b" ".join((draw(METHODS), b"/", b"HTTP/1.1"))
    fields = [b"Host: a", *draw(st.lists(PLAIN, max_size=3))]
    body = b"".join(draw(st.lists(CHUNK, max_size=3)))
    kind = draw(st.sampled_from(["none", "length", "chunked"]))
    if kind == "length":
        fields.append(b"Content-Length: %d" % len(body))
    elif kind == "chunked":
        fields.append(b"Transfer-Encoding: chunked")
        body += draw(LAST)
    else:
        body = b""
    return b"\r\n".join((line, *draw(st.permutations(fields)), b"", body))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """One or more requests of which a few bytes may be others, more, or fewer."""
    data = b"".join(draw(st.lists(st.one_of(wild(), sound(), sound()), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(data)))
        removed = draw(st.integers(0, 1))
        data = data[:at] + draw(st.one_of(st.just(b""), INTERESTING)) + data[at + removed :]
    return data + GET
