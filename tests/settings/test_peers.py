import pytest

from prefork.settings.checks import peers
from prefork.settings.peers import Peers, unmapped

MAPPED = "::ffff:10.1.2.3"  # RFC 4291, section 2.5.5.2


@pytest.mark.parametrize(
    ("words", "inside", "outside"),
    [
        (["10.1.2.3"], ["10.1.2.3", MAPPED, "::FFFF:a01:203"], ["10.1.2.4", "::1", None, ""]),
        (["10.0.0.0/8"], ["10.255.0.1", MAPPED], ["11.0.0.1", "::a01:203"]),
        ([MAPPED], ["10.1.2.3", MAPPED], ["10.1.2.4"]),
        (["2001:DB8::/32"], ["2001:db8:1::", "2001:DB8::1"], ["2001:db9::1", "10.1.2.3"]),
        (["fe80::/10"], ["fe80::1%eth0", "fe80::1"], ["fec0::1"]),
        (["unix"], [None], ["10.1.2.3", "unix", "/run/x.sock"]),
        (["127.0.0.1", "unix"], [None, "127.0.0.1"], ["127.0.0.2"]),
        (["10.0.0.1, 10.0.0.2"], ["10.0.0.1", "10.0.0.2"], ["10.0.0.3"]),
        (["*"], [None, "10.1.2.3", "::1"], []),
        (["none"], [], [None, "10.1.2.3"]),
        ([], [], [None, "10.1.2.3"]),
    ],
)
def test_a_peer_is_named_by_its_address_a_network_or_a_word(
    words: list[str], inside: list[str | None], outside: list[str | None]
) -> None:
    named = Peers(words)
    assert [each for each in inside if each not in named] == []
    assert [each for each in outside if each in named] == []
    assert bool(named) is bool(inside)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("10.0.0.1/8", "10.0.0.1/8 is no network; 10.0.0.0/8 is"),
        ("10.0.0", "10.0.0 is none of these"),
        ("proxy.example", "proxy.example is none of these"),
        ("10.0.0.1,", "nothing is none of these"),
        ("", "nothing is none of these"),
        ("::ffff:x", "::ffff:x is none of these"),
        ("none,unix", "none is not alone"),
    ],
)
def test_what_names_no_peer_is_told_with_its_remedy(word: str, reason: str) -> None:
    wrong = peers((word,))
    assert wrong is not None
    assert reason in wrong
    assert wrong.startswith("must be an IP address, a network such as 10.0.0.0/8, unix, *")


def test_an_ipv4_address_is_spelled_as_one_on_whichever_socket() -> None:
    assert unmapped(MAPPED) == "10.1.2.3"
    assert unmapped("::1") == "::1"
    assert unmapped("::ffff:0:0:1") == "::ffff:0:0:1"
