import os
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from prefork.errors import AddressError
from prefork.policy.schemes import Accepts
from prefork.primary.inherited import adopt
from prefork.primary.listeners import Listeners
from prefork.settings.address import InheritedAddress, TcpAddress, UnixAddress

LOOPBACK = ("127.0.0.1", 0)


def unix_listener(path: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.bind(path)
    made.listen()
    return made


def connected() -> socket.socket:
    ours, theirs = socket.socketpair()
    theirs.close()
    return ours


def test_a_listening_socket_is_taken_as_it_is() -> None:
    with socket.create_server(LOOPBACK) as opened:
        descriptor = os.dup(opened.fileno())
        os.set_inheritable(descriptor, True)
        with adopt(descriptor) as sock:
            assert sock.fileno() == descriptor
            assert (sock.family, sock.proto) == (socket.AF_INET, socket.IPPROTO_TCP)
            assert sock.getsockname() == opened.getsockname()
            assert not sock.getblocking()
            assert not os.get_inheritable(descriptor)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: os.open(os.devnull, os.O_RDONLY), "it is no socket"),
        (lambda: socket.socket().detach(), "it is not listening"),
        (lambda: connected().detach(), "it is not listening"),
        (lambda: socket.socket(type=socket.SOCK_DGRAM).detach(), "it is not a stream socket"),
    ],
)
def test_what_nobody_can_connect_to_is_named_and_left_alone(
    make: Callable[[], int], reason: str
) -> None:
    descriptor = make()
    with pytest.raises(AddressError) as caught:
        adopt(descriptor)
    assert str(caught.value).startswith(f"cannot take fd://{descriptor}: {reason}; ")
    os.close(descriptor)  # it is still open


def test_a_descriptor_that_is_not_open_is_named() -> None:
    descriptor = os.dup(0)
    os.close(descriptor)
    with pytest.raises(AddressError, match=f"fd://{descriptor}: it is no socket"):
        adopt(descriptor)


@pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="Linux")
def test_a_family_that_is_not_served_is_told() -> None:
    other = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)
    with other, pytest.raises(AddressError, match="neither of IPv4"):
        adopt(other.fileno())


# As one of the listeners


@pytest.mark.parametrize("accepts", Accepts)
def test_all_slots_share_it_where_each_would_have_its_own(accepts: Accepts) -> None:
    with socket.create_server(LOOPBACK) as opened:
        address = InheritedAddress(os.dup(opened.fileno()))
        listeners = Listeners([TcpAddress(*LOOPBACK), address], 128, accepts)
        with closing(listeners):
            assert listeners.bound[1] == TcpAddress(*opened.getsockname())
            inherited = [each for each in listeners if each.is_inherited]
            assert [each.address for each in inherited] == [1]
            shared = Accepts.PRIMARY if accepts is Accepts.PRIMARY else Accepts.ANY
            assert inherited[0].accepts is shared
            for slot in (0, 1):
                assert (inherited[0] in listeners.of(slot)) is (shared is Accepts.ANY)
            assert len([each for each in listeners if each.is_inherited]) == 1


def test_it_listens_on_when_the_listeners_are_closed(tmp_path: Path) -> None:
    path = str(tmp_path / "shop.sock")
    with socket.create_server(LOOPBACK) as tcp, unix_listener(path) as unix:
        addresses = [InheritedAddress(os.dup(each.fileno())) for each in (tcp, unix)]
        listeners = Listeners(addresses, 128, Accepts.PRIMARY)
        assert listeners.bound[1] == UnixAddress(path)
        listeners.close()
        with socket.create_connection(tcp.getsockname()), tcp.accept()[0]:
            pass
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)


@pytest.mark.skipif(not os.path.exists("/proc/net/unix"), reason="Linux")
def test_an_abstract_name_can_be_told() -> None:
    with unix_listener("\0prefork-test") as opened:
        address = InheritedAddress(os.dup(opened.fileno()))
        with closing(Listeners([address], 128, Accepts.PRIMARY)) as listeners:
            assert str(listeners.bound[0]) == "unix:@prefork-test"


def test_a_number_that_is_not_open_is_no_socket_of_ours() -> None:
    free = os.dup(0)
    os.close(free)
    with pytest.raises(AddressError, match="it is no socket"):
        Listeners([TcpAddress(*LOOPBACK), InheritedAddress(free)], 128, Accepts.PRIMARY)
