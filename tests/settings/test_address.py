import pytest

from prefork.errors import SettingsError
from prefork.settings.address import (
    MAX_SOCKET_PATH,
    Bind,
    InheritedAddress,
    TcpAddress,
    UnixAddress,
    parse,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8000", TcpAddress("127.0.0.1", 8000)),
        ("0.0.0.0:0", TcpAddress("0.0.0.0", 0)),
        ("localhost:65535", TcpAddress("localhost", 65535)),
        ("my-host.example.org:80", TcpAddress("my-host.example.org", 80)),
        ("[::1]:8000", TcpAddress("::1", 8000)),
        ("[fe80::1%eth0]:8000", TcpAddress("fe80::1%eth0", 8000)),
        ("unix:/run/x.sock", UnixAddress("/run/x.sock")),
        ("unix:relative:odd", UnixAddress("relative:odd")),
        ("fd://3", InheritedAddress(3)),
        ("fd://120", InheritedAddress(120)),
    ],
)
def test_an_address_reads_and_writes_the_same(text: str, address: Bind) -> None:
    assert parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nonsense", "must be HOST:PORT, [IPV6]:PORT, unix:PATH or fd://N (got nonsense)"),
        ("", "(got nothing)"),
        ("8000", "must be HOST:PORT"),
        (":8000", "must name a host; 0.0.0.0:8000 is every IPv4 address (got :8000)"),
        ("host:", "with a port from 0 to 65535"),
        ("host:http", "with a port from 0 to 65535"),
        ("host:65536", "with a port from 0 to 65535"),
        ("host:-1", "with a port from 0 to 65535"),
        ("host:\u0661", "with a port from 0 to 65535"),
        ("::1:8000", "in brackets, as in [::1]:8000"),
        ("[nope]:8000", "must have an IPv6 address in its brackets"),
        ("999.1.1.1:80", "must be HOST:PORT"),
        ("1.2:80", "must be HOST:PORT"),
        ("a b:80", "must be HOST:PORT"),
        ("-x:80", "must be HOST:PORT"),
        ("http://x:80", "must have its IPv6 address in brackets"),
        ("unix:", "must name a path after unix:"),
        ("unix:a\0b", "must name a path after unix:"),
        ("unix:/" + "x" * MAX_SOCKET_PATH, f"must have a path of at most {MAX_SOCKET_PATH} bytes"),
        ("fd://", "must name a descriptor above 2, as in fd://3 (got fd://)"),
        ("fd://2", "must name a descriptor above 2"),
        ("fd://-1", "must name a descriptor above 2"),
        ("fd://03", "must name a descriptor above 2"),
        ("fd://1234567890", "must name a descriptor above 2"),
        ("fd://web", "must name a descriptor above 2"),
        ("\x1b[2J", "(got \\x1b[2J)"),
    ],
)
def test_what_is_no_address_is_told_what_it_lacks(text: str, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text)
    assert problem in str(caught.value)
