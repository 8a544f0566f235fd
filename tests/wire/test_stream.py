"""A descriptor is wrapped as the socket that it was."""

import socket
from contextlib import closing

import pytest

from prefork.wire import stream


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_tcp_socket_says_so_and_does_not_block(family: socket.AddressFamily) -> None:
    bare = socket.socket(family).detach()
    with closing(stream.adopt(bare, family)) as adopted:
        assert (adopted.family, adopted.type) == (family, socket.SOCK_STREAM)
        assert adopted.proto == socket.IPPROTO_TCP
        assert not adopted.getblocking()


def test_a_unix_socket_has_no_protocol() -> None:
    with closing(stream.adopt(socket.socket(socket.AF_UNIX).detach(), socket.AF_UNIX)) as adopted:
        assert (adopted.family, adopted.proto) == (socket.AF_UNIX, 0)
