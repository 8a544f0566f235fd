"""Whose a request is: RFC 7239, and X-Forwarded-For and -Proto as nginx and others write them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.http.requests import LIMITS

from prefork.http.connection import Connection
from prefork.http.errors import Refused
from prefork.http.exchange import Exchange
from prefork.http.forwarded import (
    LEARNED,
    LEARNED_BYTES,
    MOST_HOPS,
    Address,
    Forwarded,
    Headers,
    Trust,
)
from prefork.settings.peers import Peers

PROXY = ("127.0.0.1", 50000)
CLIENT = ("192.0.2.7", 0)
TRUSTED = ["127.0.0.1", "10.0.0.0/8", "fd00::/8"]
Told = tuple[Address | None, str] | None


def heard(
    *lines: tuple[str, str],
    headers: Headers = "x-forwarded",
    trusted: list[str] = TRUSTED,
    scheme: str = "http",
) -> Forwarded | None:
    """What header lines say that PROXY sent."""
    proxy = Trust(Peers(trusted), headers).proxy(PROXY, scheme)
    assert proxy is not None
    fields = [(name.lower().encode(), text.encode()) for name, text in lines]
    told = proxy.forwarded(fields)
    assert proxy.forwarded(fields) == told, "what was learned changes nothing"
    return told


def client(*values: str, trusted: list[str] = TRUSTED) -> Address | None:
    """The client, by lines of X-Forwarded-For."""
    told = heard(*(("X-Forwarded-For", value) for value in values), trusted=trusted)
    assert told is not None
    return told.client


def standard(*values: str, trusted: list[str] = TRUSTED, scheme: str = "http") -> Told:
    """Client and scheme, by lines of Forwarded."""
    lines = [("Forwarded", value) for value in values]
    told = heard(*lines, headers="forwarded", trusted=trusted, scheme=scheme)
    return None if told is None else (told.client, told.scheme)


def refusal(*lines: tuple[str, str], headers: Headers = "x-forwarded") -> str:
    with pytest.raises(Refused) as refused:
        heard(*lines, headers=headers)
    assert refused.value.status == 400
    return refused.value.reason


# X-Forwarded-For


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("192.0.2.7", CLIENT),
        (" 192.0.2.7\t", CLIENT),
        ("192.0.2.7:4711", ("192.0.2.7", 4711)),  # Azure's gateway adds the port
        ("2001:DB8::0:7", ("2001:db8::7", 0)),
        ("[2001:db8::7]", ("2001:db8::7", 0)),
        ("[2001:db8::7]:4711", ("2001:db8::7", 4711)),
        ("::ffff:192.0.2.7", CLIENT),
        ("unknown", None),  # Squid
        ("unix:", None),  # nginx, of a client of its Unix socket
    ],
)
def test_the_client_is_whom_the_proxy_names(value: str, found: Address | None) -> None:
    assert client(value) == found


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["198.51.100.1, 192.0.2.7"], CLIENT),  # what a client made up stands left of itself
        (["198.51.100.1", "192.0.2.7"], CLIENT),  # as HAProxy adds: a line of its own
        (["192.0.2.7, 10.0.0.1"], CLIENT),  # two proxies
        (["198.51.100.1, 192.0.2.7, 10.0.0.1, fd00::1"], CLIENT),
        (["198.51.100.1, 192.0.2.7", "10.0.0.1:80, [fd00::1]:80"], CLIENT),
        (["10.0.0.1, 10.0.0.2"], ("10.0.0.1", 0)),  # all are trusted: so is the client
        (["127.0.0.1"], ("127.0.0.1", 0)),
        (["192.0.2.7, unknown"], None),
        (["192.0.2.7, unknown, 10.0.0.1"], None),
        (["192.0.2.7, unix:"], None),
        (["10.0.0.9, 192.0.2.7"], CLIENT),  # a client that claims to be a proxy
    ],
)
def test_the_client_is_the_first_from_the_right_who_is_not_trusted(
    values: list[str], found: Address | None
) -> None:
    assert client(*values) == found


def test_whoever_comes_over_a_unix_socket_of_a_proxy_is_trusted_where_those_are() -> None:
    assert client("192.0.2.7, unix:", trusted=[*TRUSTED, "unix"]) == CLIENT


def test_where_everybody_is_trusted_the_first_of_all_is_the_client() -> None:
    assert client("192.0.2.7, 198.51.100.1, 10.0.0.1", trusted=["*"]) == CLIENT


@pytest.mark.parametrize("value", ["", " ", ",", " , \t"])
def test_an_empty_value_says_nothing(value: str) -> None:
    assert client(value) == PROXY
    assert client(f"{value}, 192.0.2.7") == CLIENT  # some add to an empty value


@pytest.mark.parametrize(
    "value",
    [
        "localhost",
        "192.0.2",
        "192.0.2.007",
        "192.0.2.256",
        "192.0.2.7:",
        "192.0.2.7:65536",
        "192.0.2.7:-1",
        "192.0.2.7 10.0.0.1",
        "2001:db8:::7",
        "[2001:db8::7",
        "[2001:db8::7]x",
        "[192.0.2.7]",
        "fe80::1%eth0",  # a zone is another machine's own
        '::1%"><script>',
        "_hidden",  # RFC 7239 only
        '"192.0.2.7"',
        "192.0.2.7,",
        "192.0.2.7,,10.0.0.1",
        "\u00b2",
        "unix:/run/x",
    ],
)
def test_what_a_trusted_proxy_cannot_have_meant_is_refused(value: str) -> None:
    assert refusal(("X-Forwarded-For", value)) == "malformed X-Forwarded-For"


def test_what_a_client_made_up_may_be_malformed() -> None:
    assert client("<script>, 192.0.2.7, 10.0.0.1") == CLIENT
    assert client('"', "192.0.2.7") == CLIENT


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)), st.booleans())
def test_nothing_that_a_client_sends_makes_it_another(made_up: str, own_line: bool) -> None:
    values = [made_up, "192.0.2.7"] if own_line else [f"{made_up}, 192.0.2.7"]
    assert client(*values) == CLIENT
    lines = [made_up, "for=192.0.2.7;proto=https"]
    assert standard(*lines) == (CLIENT, "https")
    with suppress(Refused):  # as where it has left a quote open
        assert standard(", ".join(lines)) == (CLIENT, "https")


def test_a_way_over_very_many_hops_is_not_gone() -> None:
    hops = ["10.0.0.1"] * (MOST_HOPS - 1)
    assert client(", ".join(["made up"] * 5000 + ["192.0.2.7", *hops])) == CLIENT
    assert refusal(("X-Forwarded-For", ", ".join(["192.0.2.7", *hops, *hops])))
    elements = [f"for={hop}" for hop in ("192.0.2.7", *hops)]
    assert standard(", ".join(elements)) == (CLIENT, "http")
    assert refusal(("Forwarded", ", ".join(["for=_x", *elements])), headers="forwarded")


# X-Forwarded-Proto


@pytest.mark.parametrize(
    ("values", "scheme"),
    [
        (["https"], "https"),
        (["http"], "http"),
        (["HTTPS"], "https"),
        (["wss"], "https"),  # it says which transport: a plain request has the scheme of HTTP
        (["ws"], "http"),
        (["https, https"], "https"),
        (["https", "https"], "https"),
        ([""], "http"),
        ([], "http"),
    ],
)
def test_the_scheme_is_what_the_proxy_says(values: list[str], scheme: str) -> None:
    lines = [("X-Forwarded-Proto", value) for value in values]
    told = heard(("X-Forwarded-For", "192.0.2.7"), *lines)
    assert told == Forwarded(CLIENT, scheme)


def test_without_its_address_the_client_is_the_peer() -> None:
    assert heard(("X-Forwarded-Proto", "https")) == Forwarded(PROXY, "https")


def test_without_its_scheme_it_is_the_connections() -> None:
    told = heard(("X-Forwarded-For", "192.0.2.7"), scheme="https")
    assert told == Forwarded(CLIENT, "https")


@pytest.mark.parametrize("value", ["ftp", "https://", "on", "https,", "'https'"])
def test_a_scheme_that_is_none_is_refused(value: str) -> None:
    assert refusal(("X-Forwarded-Proto", value))


@pytest.mark.parametrize("values", [["http, https"], ["http", "https"]])
def test_schemes_that_contradict_each_other_are_refused(values: list[str]) -> None:
    lines = [("X-Forwarded-Proto", value) for value in values]
    assert refusal(*lines) == "contradictory X-Forwarded-Proto"


# Forwarded


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("for=192.0.2.7", CLIENT),
        ('For="192.0.2.7:4711"', ("192.0.2.7", 4711)),  # RFC 7239, section 4: any case
        ('for="[2001:db8:cafe::17]:4711"', ("2001:db8:cafe::17", 4711)),
        ('for="[2001:db8:cafe::17]"', ("2001:db8:cafe::17", 0)),
        (r'for="19\2.0.2.7"', CLIENT),  # RFC 9110, section 5.6.4
        ("for=192.0.2.7;by=203.0.113.43", CLIENT),
        ("by=203.0.113.43; for=192.0.2.7 ; host=a", CLIENT),
        (";for=192.0.2.7;", CLIENT),
        ("for=unknown", None),  # section 6.2
        ('for="unknown:4711"', None),
        ("for=_gazonk", None),  # section 6.3
        ("for=_SEVKISEK", None),
        ('for="192.0.2.7:_port"', CLIENT),
    ],
)
def test_a_node_is_named_as_in_the_standard(value: str, found: Address | None) -> None:
    assert standard(value) == (found, "http")


@pytest.mark.parametrize(
    ("values", "found", "scheme"),
    [
        (["for=198.51.100.1;proto=https, for=192.0.2.7"], CLIENT, "http"),
        (["for=198.51.100.1;proto=https", "for=192.0.2.7"], CLIENT, "http"),
        (["for=192.0.2.7;proto=https, for=10.0.0.1;proto=http"], CLIENT, "https"),
        (["for=192.0.2.7;proto=https, for=10.0.0.1"], CLIENT, "https"),
        (["for=10.0.0.1;proto=https, for=10.0.0.2"], ("10.0.0.1", 0), "https"),
        (["for=192.0.2.7, for=unknown"], None, "http"),
        (["for=192.0.2.7, for=_x, for=10.0.0.1"], None, "http"),
        (["for=192.0.2.7, proto=https"], PROXY, "https"),  # nothing says who wrote the first
        (["for=192.0.2.7,"], PROXY, "http"),
        (['for="192.0.2.7', "for=10.0.0.1, for=192.0.2.7"], CLIENT, "http"),
        (['for="a,b;c=\\"";proto=x, for=192.0.2.7'], CLIENT, "http"),
    ],
)
def test_the_scheme_is_that_of_the_element_that_names_the_client(
    values: list[str], found: Address | None, scheme: str
) -> None:
    assert standard(*values) == (found, scheme)


def test_an_element_without_a_scheme_leaves_the_connections() -> None:
    assert standard("for=192.0.2.7", scheme="https") == (CLIENT, "https")


@pytest.mark.parametrize(
    "value",
    [
        "for",
        "for=",
        "=192.0.2.7",
        "for=2001:db8::7",  # section 6: in brackets, and quoted
        "for=[2001:db8::7]",
        'for="2001:db8::7"',
        "for=192.0.2.7:80",  # a colon is no token's
        'for="192.0.2.7',
        'for="192.0.2.7"x',
        "for =192.0.2.7",
        "for=192.0.2.7;for=192.0.2.7",  # section 4: no parameter twice
        "for=192.0.2.7;FOR=192.0.2.8",
        "for=192.0.2.7 proto=https",
        "for=_",
        "for=localhost",
        'for="unix:"',
        'for=""',
        'for="192.0.2.7:65536"',
        "for=192.0.2.7, x",
        " " * 16000 + "x",  # in no more than linear time
        'for="' + "\\a" * 8000,
        "for=" + "a" * 16000,
    ],
)
def test_what_breaks_the_grammar_is_refused(value: str) -> None:
    assert refusal(("Forwarded", value), headers="forwarded") == "malformed Forwarded"


def test_a_scheme_that_is_none_is_refused_in_the_standard_too() -> None:
    assert refusal(("Forwarded", "for=192.0.2.7;proto=ftp"), headers="forwarded")


# What isn't read


def test_the_other_kind_of_header_is_not_read() -> None:
    smuggled = [("Forwarded", "for=198.51.100.1;proto=https"), ("Forwarded", '"')]
    assert heard(*smuggled) is None
    told = heard(*smuggled, ("X-Forwarded-For", "192.0.2.7"))
    assert told == Forwarded(CLIENT, "http")
    customary = [("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-Proto", "x")]
    assert heard(*customary, headers="forwarded") is None
    told = heard(*customary, ("Forwarded", "for=192.0.2.7"), headers="forwarded")
    assert told == Forwarded(CLIENT, "http")


@pytest.mark.parametrize("peer", [("192.0.2.7", 1), None])
def test_who_is_not_trusted_is_not_asked(peer: Address | None) -> None:
    assert Trust(Peers(TRUSTED), "x-forwarded").proxy(peer, "http") is None


def test_a_peer_of_a_unix_socket_is_trusted_by_its_word() -> None:
    proxy = Trust(Peers(["unix"]), "x-forwarded").proxy(None, "http")
    assert proxy is not None
    assert proxy.forwarded([(b"x-forwarded-proto", b"https")]) == Forwarded(None, "https")


# What is remembered


def test_hops_are_remembered_up_to_a_bound() -> None:
    trust = Trust(Peers(TRUSTED), "x-forwarded")
    for number in range(2 * LEARNED):
        trust.hops[b"2001:db8::%x" % number]
        assert len(trust.hops) <= LEARNED
    long = b"[2001:db8::1]:" + b"1" * LEARNED_BYTES
    with pytest.raises(Refused):
        trust.hops[long]
    assert long not in trust.hops


# On a connection


def requests_of(proxied: bool, data: bytes) -> Connection[Exchange]:
    made = Connection(LIMITS, Exchange)
    if proxied:
        made.proxy = Trust(Peers(TRUSTED), "x-forwarded").proxy(PROXY, "http")
    made.feed(data)
    return made


def test_each_request_of_a_connection_is_its_own_clients() -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\n"
    data = b"".join(
        (
            *(head, b"X-Forwarded-For: 192.0.2.1\r\n\r\n"),
            *(head, b"X-Forwarded-For: 192.0.2.2\r\nX-Forwarded-Proto: https\r\n\r\n"),
            *(head, b"\r\n"),
            *(head, b"Connection: keep-alive\r\n\r\n"),
        )
    )
    first, second, third, fourth = requests_of(True, data).ready
    assert first.forwarded == Forwarded(("192.0.2.1", 0), "http")
    assert second.forwarded == Forwarded(("192.0.2.2", 0), "https")
    assert third.forwarded is fourth.forwarded is None
    assert {each.forwarded for each in requests_of(False, data).ready} == {None}


def test_what_is_malformed_is_refused_of_a_proxy_and_ignored_of_others() -> None:
    data = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: me\r\n\r\n"
    refused = requests_of(True, data)
    assert refused.refusal is not None
    assert (refused.refusal.status, refused.refusal.reason) == (400, "malformed X-Forwarded-For")
    assert not refused.ready
    assert len(requests_of(False, data).ready) == 1


def test_what_stands_in_trailers_is_nobodys() -> None:
    data = (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        b"X-Forwarded-For: 192.0.2.1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    assert [each.forwarded for each in requests_of(True, data).ready] == [None, None]
