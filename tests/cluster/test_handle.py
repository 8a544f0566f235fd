from socket import AF_INET, AF_INET6, AF_UNIX

import pytest

from prefork.cluster.handle import Address
from prefork.settings.address import TcpAddress, UnixAddress


@pytest.mark.parametrize(
    ("bound", "read"),
    [
        (TcpAddress("127.0.0.1", 8000), Address(AF_INET, "127.0.0.1", 8000)),
        (TcpAddress("::", 65535), Address(AF_INET6, "::", 65535)),
        (TcpAddress("fe80::1%eth0", 1), Address(AF_INET6, "fe80::1%eth0", 1)),
        (UnixAddress("/run/a:1"), Address(AF_UNIX, path="/run/a:1")),
        (UnixAddress("/d" * 200), Address(AF_UNIX, path="/d" * 200)),  # by its open directory
        (UnixAddress("@abstract"), Address(AF_UNIX, path="@abstract")),
    ],
)
def test_every_address_that_can_be_bound_is_read(
    bound: TcpAddress | UnixAddress, read: Address
) -> None:
    assert Address.of(str(bound)) == read
