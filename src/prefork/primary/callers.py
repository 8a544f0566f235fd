"""Whose a connection is that a proxy has opened: it says so first, by the PROXY protocol."""

import socket
from typing import Any

from prefork.policy.dealing import Client
from prefork.primary.arrivals import client_of
from prefork.settings.peers import Peers
from prefork.wire.proxy_protocol import Header, MalformedError

AT_ONCE = 4096  # bytes that are looked at, as a worker does


class Callers:
    """Looks at the header and leaves it there: it is the worker's to read, and to refuse.

    Nothing is waited for. A header is sent at once and whole (section 2 of the protocol), and the
    kernel tells of a TCP connection when there is something to read (`binding`). Where there is
    none all the same, the connection is nobody's, and is dealt in turn.
    """

    def __init__(self, proxies: Peers) -> None:
        self._proxies = proxies

    def identify(self, descriptor: int, name: Any) -> Client:
        """Say whose it is: its peer's, or its client's, where the peer is such a proxy."""
        peer = client_of(descriptor, name)
        return introduced(descriptor) if peer in self._proxies else peer


def introduced(descriptor: int) -> Client:
    """Say who is named in the header; None: nobody, or there is no header."""
    # Of which family it is doesn't matter here; to ask would cost three system calls.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=descriptor)
    header = Header()
    try:
        header.feed(sock.recv(AT_ONCE, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except (OSError, MalformedError):
        return None
    finally:
        sock.detach()
    introduction = header.introduction
    return introduction.client[0] if introduction and introduction.client else None
