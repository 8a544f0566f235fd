"""Whose a connection is: its peer's, or whose its proxy says; and where it then goes."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.primary.desk import Desk, desk_of

from prefork.policy.dealing import Client
from prefork.primary.callers import Callers
from prefork.primary.children import Child
from prefork.settings.address import TcpAddress, UnixAddress
from prefork.settings.peers import Peers

PROXY = "127.0.0.1"
OF_9 = b"PROXY TCP4 192.0.2.9 192.0.2.1 5000 80\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ENDS = socket.inet_pton(socket.AF_INET, "192.0.2.9") + socket.inet_pton(socket.AF_INET, "192.0.2.1")
SECOND = SIGNATURE + b"\x21\x11\0\x0c" + ENDS + b"\0\x50\0\x50"
MAPPED = b"PROXY TCP6 ::ffff:192.0.2.9 ::ffff:192.0.2.1 5000 80\r\n"
LOCAL = SIGNATURE + b"\x20\0\0\0"


def said(words: bytes, peer: Client = PROXY) -> Client:
    """Whose a connection is whose peer begins so."""
    near, far = socket.socketpair()
    with closing(near), closing(far):
        far.sendall(words)
        client = Callers(Peers([PROXY])).identify(near.fileno(), (peer, 5000) if peer else "")
        near.setblocking(False)
        if words:
            assert near.recv(200) == words, "the header is the worker's to read"
        return client


@pytest.mark.parametrize("header", [OF_9, SECOND, MAPPED])
def test_a_proxy_says_whose_it_is_and_the_header_stays_where_it_is(header: bytes) -> None:
    assert said(header) == said(header + b"GET / HTTP/1.1\r\n") == "192.0.2.9"


@pytest.mark.parametrize(
    "words",
    [b"", OF_9[:-1], OF_9[:3], SECOND[:20], LOCAL, b"PROXY UNKNOWN\r\n", b"GET / HTTP/1.1\r\n\r\n"],
)
def test_where_it_is_not_said_it_is_nobodys(words: bytes) -> None:
    assert said(words) is None


def test_who_is_no_proxy_is_believed_nothing() -> None:
    assert said(OF_9, "192.0.2.77") == "192.0.2.77"
    assert said(OF_9, None) is None


def test_a_connection_that_is_gone_is_nobodys() -> None:
    near, far = socket.socketpair()
    with closing(near):
        far.close()
        assert Callers(Peers([PROXY])).identify(near.fileno(), (PROXY, 5000)) is None


# Of a whole desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    with desk_of("hash", proxy=PROXY) as it:
        yield it


def come(desk: Desk, client: int, count: int = 1) -> None:
    """Have the proxy connect for a client."""
    (bound,) = desk.listeners.bound
    assert isinstance(bound, TcpAddress)
    for port in range(count):
        connection = socket.create_connection((bound.host, bound.port))
        connection.sendall(b"PROXY TCP4 192.0.2.%d 192.0.2.1 %d 80\r\n" % (client, 5000 + port))
        desk.clients.append(connection)


def served(desk: Desk, workers: list[Child]) -> list[int]:
    return [desk.serve(each) for each in workers]


def test_behind_a_proxy_each_client_has_a_worker_and_not_all_the_same(desk: Desk) -> None:
    workers = [desk.hire() for _ in range(4)]
    owners = set()
    for client in range(20):
        come(desk, client, 3)
        desk.turn()
        first = served(desk, workers)
        assert sorted(first) == [0, 0, 0, 3]
        come(desk, client)
        desk.turn()
        again = served(desk, workers)
        assert again.index(1) == first.index(3)
        owners.add(again.index(1))
    assert owners == {0, 1, 2, 3}


def test_a_connection_comes_only_when_its_proxy_has_spoken(desk: Desk) -> None:
    (bound,) = desk.listeners.bound
    assert isinstance(bound, TcpAddress)
    worker = desk.hire()
    with socket.create_connection((bound.host, bound.port)) as connection:
        desk.turn()
        assert desk.serve(worker) == 0
        connection.sendall(OF_9)
        desk.turn()
        assert desk.serve(worker) == 1


def test_what_is_taken_back_is_still_its_clients(desk: Desk) -> None:
    workers = [desk.hire() for _ in range(4)]
    come(desk, 9, 8)
    desk.turn()
    owner = next(each for each in workers if waits_for(each))
    desk.acceptor.bury(owner, desk.now)
    left = [each for each in workers if each is not owner]
    assert sorted(served(desk, left)) == [0, 0, 8]


def waits_for(child: Child) -> bool:
    assert child.kept is not None
    try:
        child.kept.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    return True


def test_a_unix_socket_is_not_told_to_wait_and_is_served_all_the_same(tmp_path: Path) -> None:
    path = UnixAddress(os.fspath(tmp_path / "web.sock"))
    with desk_of("hash", path, proxy="unix") as desk:
        worker = desk.hire()
        desk.connect(1, address=path)
        desk.turn()
        assert desk.serve(worker) == 1
