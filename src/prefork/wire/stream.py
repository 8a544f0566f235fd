"""Stream sockets, listening or connected, that arrive as bare descriptors."""

import socket


def adopt(descriptor: int, family: int) -> socket.socket:
    """Wrap it, without blocking; by its protocol asyncio knows where to switch Nagle off."""
    protocol = 0 if family == socket.AF_UNIX else socket.IPPROTO_TCP
    sock = socket.socket(family, socket.SOCK_STREAM, protocol, fileno=descriptor)
    sock.setblocking(False)
    return sock


def adopt_pair_end(descriptor: int) -> socket.socket:
    """Wrap one end of a pair of ours."""
    return socket.socket(fileno=descriptor)
