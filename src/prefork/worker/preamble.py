"""Connections that have to begin with a PROXY header, until they have.

It is read from the bare socket, and not a byte beyond it, so that what follows may be TLS.
"""

import os
import socket
from collections.abc import Callable

from prefork import log
from prefork.settings.peers import Peers
from prefork.wire.proxy_protocol import Header, Introduction, MalformedError
from prefork.worker.address import address_of
from prefork.worker.protocol import HttpProtocol
from prefork.worker.service import Service

AT_ONCE = 4096  # bytes that are looked at
COMPLAIN_EVERY = 60.0  # seconds; a proxy that is set up wrongly connects often

Make = Callable[[], HttpProtocol]
Attach = Callable[[socket.socket, Make], None]


class Preambles:
    """Takes the connections of one worker, and has those attached that said whose they are."""

    def __init__(self, service: Service, make: Make, allowed: Peers) -> None:
        self.service = service
        self._make = make
        self._allowed = allowed
        self._complain_at = float("-inf")

    def take(self, sock: socket.socket, attach: Attach) -> None:
        """Wait for the header of an allowed peer, then attach. Another is closed: the protocol
        forbids a receiver to guess, and to be public and private at once (section 2)."""
        try:
            peer = address_of(sock.getpeername())
        except OSError:  # it has left
            self.close(sock)
            return
        if (peer and peer[0]) in self._allowed:
            Preamble(self, sock, peer, attach).begin()
        else:
            self.refuse(sock, peer, "its peer is not in --proxy-protocol-allow-ips")

    def protocol(self, introduction: Introduction | None, deadline: float) -> HttpProtocol:
        """Make the protocol of a connection whose header was read."""
        made = self._make()
        made.introduction = introduction
        made.deadline = deadline
        return made

    def refuse(self, sock: socket.socket, peer: object, reason: str) -> None:
        """Close a connection, and complain; not of each one."""
        now = self.service.now
        tell = log.warning if now >= self._complain_at else log.debug
        if now >= self._complain_at:
            self._complain_at = now + COMPLAIN_EVERY
        tell("connection_refused", peer=peer or "a Unix socket's", reason=reason)
        self.close(sock)

    def close(self, sock: socket.socket) -> None:
        """Close a connection that was counted."""
        sock.close()
        self.service.released()


class Preamble:
    """One such connection: a member of the service, as it will be when it is attached."""

    __slots__ = ("_attach", "_header", "_owner", "_peer", "_sock", "deadline")

    request = None  # there can be none yet

    def __init__(self, owner: Preambles, sock: socket.socket, peer: object, attach: Attach) -> None:
        self._owner = owner
        self._sock = sock
        self._peer = peer
        self._attach = attach
        self._header = Header()
        service = owner.service
        self.deadline = service.now + service.limits.header_timeout

    def begin(self) -> None:
        """Read what is there, and what comes."""
        service = self._owner.service
        service.members.add(self)
        service.loop.add_reader(self._sock, self._read)
        self._read()

    def expire(self) -> None:
        """The deadline passed."""
        self._leave()
        self._owner.refuse(self._sock, self._peer, "its PROXY header did not arrive in time")

    def drain(self, delay: float) -> None:
        """Go on, as a connection does that has sent nothing of its first request."""

    def cut(self) -> int:
        """Give up. It has cost no request."""
        self._end()
        return 0

    def _read(self) -> None:
        """Consume as much of the header as is there, so that no event comes for that again."""
        sock, header = self._sock, self._header
        try:
            while not header.is_complete:
                seen = sock.recv(AT_ONCE, socket.MSG_PEEK)
                if not seen:
                    self._end()
                    return
                sock.recv(header.feed(seen))
        except BlockingIOError:
            return
        except OSError as error:
            log.debug("connection_lost", reason=os.strerror(error.errno or 0))
            self._end()
        except MalformedError as error:
            self._leave()
            self._owner.refuse(sock, self._peer, str(error))
        else:
            self._leave()
            self._attach(sock, self._protocol)

    def _protocol(self) -> HttpProtocol:
        return self._owner.protocol(self._header.introduction, self.deadline)

    def _leave(self) -> None:
        service = self._owner.service
        service.members.discard(self)
        service.loop.remove_reader(self._sock)

    def _end(self) -> None:
        self._leave()
        self._owner.close(self._sock)
