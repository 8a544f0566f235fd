"""Binding: what is bound, what is refused and why, what is left behind, what belongs to whom."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from prefork.errors import AddressError, SettingsError
from prefork.policy.schemes import SCHEMES, Accepts
from prefork.primary.binding import Opening
from prefork.primary.listeners import MOST, Listener, Listeners, require_balance
from prefork.settings.address import Address, TcpAddress, UnixAddress

LOOPBACK = TcpAddress("127.0.0.1", 0)


@contextmanager
def listening(*addresses: Address, accepts: Accepts = Accepts.PRIMARY) -> Iterator[Listeners]:
    it = Listeners(addresses, backlog=128, accepts=accepts)
    try:
        yield it
    finally:
        it.close()


def refused(address: Address, reason: str, accepts: Accepts = Accepts.PRIMARY) -> None:
    with pytest.raises(AddressError, match=reason), listening(address, accepts=accepts):
        pass


def slots(listeners: Listeners, slot: int) -> list[Listener]:
    return [each for each in listeners.of(slot) if each.accepts is Accepts.SLOT]


def test_port_0_reports_the_port_that_it_got() -> None:
    with listening(LOOPBACK) as listeners:
        (bound,) = listeners.bound
        assert isinstance(bound, TcpAddress)
        assert bound.port > 0
        with socket.create_connection((bound.host, bound.port)):
            pass


@pytest.mark.parametrize("accepts", Accepts)
def test_ipv6_listens_on_ipv6_alone_and_every_socket_says_tcp(accepts: Accepts) -> None:
    """Where it doesn't say so, asyncio leaves Nagle's algorithm on."""
    with listening(TcpAddress("::1", 0), accepts=accepts) as listeners:
        assert str(listeners.bound[0]).startswith("[::1]:")
        listeners.of(1)
        for each in listeners:
            assert each.sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
            assert each.sock.proto == socket.IPPROTO_TCP
            assert not each.sock.getblocking()


@pytest.mark.parametrize("accepts", Accepts)
def test_a_taken_port_is_named_and_nothing_stays_open(tmp_path: Path, accepts: Accepts) -> None:
    with listening(LOOPBACK, accepts=accepts) as taken:
        taken.of(1)
        (address,) = taken.bound
        first = UnixAddress(str(tmp_path / "first.sock"))
        with pytest.raises(AddressError, match=f"{address}: already in use"):
            Listeners([first, address], 8, accepts)
        assert not os.path.exists(first.path)


def test_a_foreign_reuseport_listener_does_not_let_us_in() -> None:
    with closing(socket.socket()) as foreign:
        foreign.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        foreign.bind(("127.0.0.1", 0))
        foreign.listen()
        refused(TcpAddress(*foreign.getsockname()), "already in use", Accepts.SLOT)


def test_an_address_of_another_machine_is_refused() -> None:
    refused(TcpAddress("192.0.2.1", 0), "not an address of this machine")


def test_a_dead_unix_socket_is_replaced_and_a_served_one_is_not(tmp_path: Path) -> None:
    address = UnixAddress(str(tmp_path / "app.sock"))
    with closing(socket.socket(socket.AF_UNIX)) as dead:
        dead.bind(address.path)
    with listening(address):
        refused(address, "already in use")
    assert not os.path.exists(address.path)


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    refused(UnixAddress(str(path)), "already in use")
    assert path.read_text() == "data"


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    refused(UnixAddress(str(tmp_path / "nowhere" / "app.sock")), r"nowhere/app.sock: .*[Nn]o such")


def test_closing_refuses_in_every_process_that_shares_the_socket() -> None:
    with listening(LOOPBACK) as listeners:
        (listener,) = listeners
        shared = listener.sock.dup()  # as a worker inherits it
        name = listener.sock.getsockname()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(name, timeout=1)
    shared.close()


@pytest.mark.parametrize("policy", ["rr", "least", "hash"])
def test_what_the_primary_accepts_is_for_no_worker(policy: str) -> None:
    with listening(LOOPBACK, LOOPBACK, accepts=SCHEMES[policy].accepts) as listeners:
        assert listeners.of(0) == listeners.of(7) == []
        assert all(each.is_ours({0, 7}) for each in listeners)


def test_what_is_shared_is_for_every_worker_and_never_ours(tmp_path: Path) -> None:
    path = UnixAddress(str(tmp_path / "app.sock"))
    with listening(LOOPBACK, path, accepts=Accepts.ANY) as listeners:
        assert listeners.of(0) == listeners.of(7) == list(listeners)
        assert not any(each.is_ours(()) for each in listeners)


def test_a_slots_listeners_are_made_when_wanted_one_for_each_tcp_address_and_stay() -> None:
    with listening(LOOPBACK, LOOPBACK, accepts=Accepts.SLOT) as listeners:
        assert len(list(listeners)) == 2
        of_three = listeners.of(3)
        assert [each.address for each in of_three] == [0, 1]
        assert [each.sock.getsockname() for each in of_three] == [
            each.sock.getsockname() for each in listeners.of(0)
        ]
        assert listeners.of(3) == of_three
        assert len(list(listeners)) == 4
        assert [each.is_ours({3}) for each in listeners] == [True, True, False, False]
        assert listeners.families == (socket.AF_INET, socket.AF_INET)


def test_a_unix_address_has_one_socket_for_all_slots(tmp_path: Path) -> None:
    path = UnixAddress(str(tmp_path / "app.sock"))
    with listening(path, LOOPBACK, accepts=Accepts.SLOT) as listeners:
        assert listeners.of(0)[0] is listeners.of(1)[0]
        assert slots(listeners, 0) != slots(listeners, 1)
        assert [each.address for each in listeners.of(1)] == [0, 1]


def test_reuseport_is_refused_where_the_kernel_does_not_balance() -> None:
    with pytest.raises(SettingsError, match="--policy reuseport needs Linux"):
        require_balance(Accepts.SLOT, "darwin")
    require_balance(Accepts.ANY, "darwin")
    require_balance(Accepts.SLOT, "linux")


def test_the_file_of_a_unix_socket_has_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "shop.sock"
    it = Listeners([UnixAddress(str(path))], 8, Accepts.PRIMARY, 0o660)
    assert path.stat().st_mode & 0o777 == 0o660
    it.close()


def test_where_it_is_listened_is_told_by_one_list_that_is_kept_up_to_date(tmp_path: Path) -> None:
    with listening(LOOPBACK) as listeners:
        told = listeners.open_ones
        number = listeners.open(Opening(UnixAddress(str(tmp_path / "web.sock")), 8))
        assert told == [str(listeners.bound[0]), f"unix:{tmp_path / 'web.sock'}"]
        for each in listeners.drop(number):
            each.close()
        assert told == [str(listeners.bound[0])]


def test_an_address_may_be_closed_and_opened_again_for_ever_and_keeps_its_number(
    tmp_path: Path,
) -> None:
    first, second = (Opening(UnixAddress(str(tmp_path / name)), 8) for name in "ab")
    with listening() as listeners:
        kept = listeners.open(second)
        for _ in range(MOST + 1):
            number = listeners.open(first)
            assert (number, listeners.bound[number]) == (kept + 1, first.address)
            for each in listeners.drop(number):
                each.close()
        assert listeners.open(Opening(LOOPBACK, 8)) == kept + 2
