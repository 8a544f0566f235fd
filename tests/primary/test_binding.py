"""With which options a socket listens, and when two that want one mean the same."""

import errno
import socket
from contextlib import closing

import pytest

from prefork.policy.schemes import Accepts
from prefork.primary import binding
from prefork.primary.binding import Opening
from prefork.settings.address import Bind, TcpAddress, UnixAddress


@pytest.mark.parametrize("ipv6_only", [False, True])
def test_one_that_joins_takes_the_families_of_the_first(*, ipv6_only: bool) -> None:
    opening = Opening(TcpAddress("::", 0), 8, ipv6_only=ipv6_only)
    with (
        closing(binding.listen(opening, Accepts.SLOT)) as first,
        closing(binding.join(first, 8)) as second,
    ):
        for each in (first, second):
            only = each.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            assert bool(only) is ipv6_only
        assert first.getsockname() == second.getsockname()


@pytest.mark.parametrize(
    ("address", "is_same"),
    [
        (TcpAddress("127.0.0.1", 0), False),
        (TcpAddress("127.0.0.1", 80), True),
        (UnixAddress("/run/web.sock"), True),
    ],
    ids=str,
)
def test_only_port_0_is_told_apart_by_its_index(address: Bind, *, is_same: bool) -> None:
    keys = {Opening(address, 8, index=each).key for each in (0, 1)}
    assert (len(keys) == 1) is is_same


def test_options_do_not_make_it_another() -> None:
    address = TcpAddress("::", 80)
    assert Opening(address, 8).key == Opening(address, 9, ipv6_only=False, mode=0o600).key


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0.0.0.0", "::"])
def test_a_number_is_taken_as_it_is(host: str) -> None:
    assert binding.require_number(host) == host


@pytest.mark.parametrize("host", ["", "example.com", "127.0.0.1.5", "::g", "a" * 70, "\0", "1%lo"])
def test_what_is_no_number_is_refused_without_asking_for_it(host: str) -> None:
    with pytest.raises(OSError, match="assign") as caught:
        binding.require_number(host)
    assert caught.value.errno == errno.EADDRNOTAVAIL
