"""Binding: what is bound, what is refused and why, what is left behind."""

import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from prefork.errors import AddressError
from prefork.primary import listeners as listening
from prefork.settings.address import TcpAddress, UnixAddress

LOOPBACK = TcpAddress("127.0.0.1", 0)


def test_port_0_reports_the_port_that_it_got() -> None:
    (listener,) = listening.listen([LOOPBACK], backlog=8)
    bound = listening.bound(listener)
    assert isinstance(bound, TcpAddress)
    assert bound.port > 0
    with socket.create_connection((bound.host, bound.port)):
        pass
    listening.close([listener])


def test_ipv6_listens_on_ipv6_alone() -> None:
    (listener,) = listening.listen([TcpAddress("::1", 0)], backlog=8)
    assert str(listening.bound(listener)).startswith("[::1]:")
    assert listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
    listening.close([listener])


def test_a_taken_port_is_named_and_nothing_stays_open(tmp_path: Path) -> None:
    (taken,) = listening.listen([LOOPBACK], backlog=8)
    address = listening.bound(taken)
    first = UnixAddress(str(tmp_path / "first.sock"))
    with pytest.raises(AddressError, match=f"{address}: already in use"):
        listening.listen([first, address], backlog=8)
    assert not os.path.exists(first.path)
    listening.close([taken])


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(AddressError, match="not an address of this machine"):
        listening.listen([TcpAddress("192.0.2.1", 0)], backlog=8)


def test_a_dead_unix_socket_is_replaced_and_a_served_one_is_not(tmp_path: Path) -> None:
    address = UnixAddress(str(tmp_path / "app.sock"))
    with closing(socket.socket(socket.AF_UNIX)) as dead:
        dead.bind(address.path)
    (listener,) = listening.listen([address], backlog=8)
    with pytest.raises(AddressError, match="already in use"):
        listening.listen([address], backlog=8)
    listening.close([listener])
    assert not os.path.exists(address.path)


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(AddressError, match="already in use"):
        listening.listen([UnixAddress(str(path))], backlog=8)
    assert path.read_text() == "data"


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "nowhere" / "app.sock")
    with pytest.raises(AddressError, match=r"nowhere/app.sock: .*[Nn]o such"):
        listening.listen([UnixAddress(path)], backlog=8)


def test_closing_refuses_in_every_process_that_shares_the_socket() -> None:
    (listener,) = listening.listen([LOOPBACK], backlog=8)
    shared = listener.dup()  # as a worker inherits it
    name = listener.getsockname()
    listening.close([listener])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(name, timeout=1)
    shared.close()
