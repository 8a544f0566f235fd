"""What waits, waits by address."""

import socket

from prefork.primary.arrivals import Connection
from prefork.primary.lobby import Lobby


def test_what_waits_is_kept_by_address_in_the_order_of_coming() -> None:
    lobby = Lobby()
    connections = [Connection(number, 100 + place, None) for place, number in enumerate([1, 0, 1])]
    lobby.add(connections)
    assert (len(lobby), sorted(lobby), 1 in lobby, 2 in lobby) == (3, [0, 1], True, False)
    assert lobby.take(1) == [connections[0], connections[2]]
    assert (len(lobby), list(lobby), lobby.take(1)) == (1, [0], [])


def test_who_is_turned_away_is_told_and_the_others_wait_on() -> None:
    lobby = Lobby()
    ends = [socket.socketpair() for _ in range(2)]
    lobby.add(Connection(number, near.detach(), None) for number, (near, _) in enumerate(ends))
    lobby.turn_away(1)
    client = ends[1][1]
    with client:
        assert client.recv(100).startswith(b"HTTP/1.1 503 ")
        assert client.recv(100).endswith(b"")
    assert list(lobby) == [0]
    lobby.turn_away(0)
    ends[0][1].close()
