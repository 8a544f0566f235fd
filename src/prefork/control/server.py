"""The primary's side of the control socket: answers verbs, never waits for a client."""

import os
import selectors
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from prefork import log
from prefork.control import protocol
from prefork.core.messages import Fact, StopRequested
from prefork.errors import RemoteError
from prefork.wire.named import NamedSocket

MAX_CLIENTS = 64  # the oldest goes when one more comes
_PEER = struct.Struct("3i")  # pid, uid, gid: struct ucred of unix(7)


class Client:
    """One connection: what it has said so far, and what it has yet to read."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.heard = bytearray()
        self.outbox = bytearray()
        self.waits = False  # for the end of the instance

    def flush(self) -> None:
        """Write what the kernel takes. Raises OSError when the client is gone."""
        with suppress(BlockingIOError):
            while self.outbox:
                del self.outbox[: self.sock.send(self.outbox)]


class ControlServer:
    """*report* makes the answer to `stats`."""

    def __init__(
        self,
        sock: NamedSocket,
        selector: selectors.BaseSelector,
        report: Callable[[float], dict[str, Any]],
    ) -> None:
        self._sock = sock
        self._selector = selector
        self._report = report
        self._clients: list[Client] = []  # oldest first
        selector.register(sock, selectors.EVENT_READ, self._accept)

    def finish(self, exit_code: int) -> None:
        """Tell those who wait for the end that this is it; take the socket away."""
        for client in list(self._clients):
            if client.waits:
                result = {"state": "stopped", "exit_code": int(exit_code)}
                client.outbox += protocol.encode_result(result)
                with suppress(OSError):
                    client.flush()
            self._drop(client)
        self._selector.unregister(self._sock)
        self._sock.remove()
        self._sock.close()

    def _accept(self, _: float) -> Iterator[Fact]:
        with suppress(OSError):
            sock, _address = self._sock.accept()
            if not _is_ours(sock):
                sock.close()
                return
            sock.setblocking(False)
            if len(self._clients) >= MAX_CLIENTS:
                self._drop(self._clients[0])
            client = Client(sock)
            self._clients.append(client)
            self._selector.register(sock, selectors.EVENT_READ, partial(self._serve, client))
        yield from ()

    def _serve(self, client: Client, now: float) -> Iterator[Fact]:
        if client not in self._clients:
            return  # dropped earlier in this batch
        try:
            if client.outbox:
                client.flush()
            yield from self._hear(client, now)
            self._await(client)
        except (OSError, RemoteError):
            self._drop(client)

    def _hear(self, client: Client, now: float) -> Iterator[Fact]:
        try:
            data = client.sock.recv(protocol.MAX_LINE)
        except BlockingIOError:
            return
        if not data:
            raise RemoteError("the client is done")
        client.heard += data
        while (end := client.heard.find(b"\n")) >= 0:
            line = bytes(client.heard[:end])
            del client.heard[: end + 1]
            yield from self._answer(client, line, now)
        if len(client.heard) > protocol.MAX_LINE:
            raise RemoteError("a line without an end")
        client.flush()

    def _answer(self, client: Client, line: bytes, now: float) -> Iterator[Fact]:
        try:
            request = protocol.decode_request(line)
        except RemoteError as error:
            client.outbox += protocol.encode_error(str(error))
            return
        if request.verb == "stop":
            client.waits = request.wait
            client.outbox += protocol.encode_result({"state": "stopping"})
            log.info("stop_requested", by="control socket")
            yield StopRequested()
        else:
            client.outbox += protocol.encode_result(self._report(now))

    def _await(self, client: Client) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.outbox else 0)
        self._selector.modify(client.sock, events, partial(self._serve, client))

    def _drop(self, client: Client) -> None:
        self._clients.remove(client)
        self._selector.unregister(client.sock)
        client.sock.close()


def _is_ours(sock: socket.socket) -> bool:
    """Whether the peer is our user or root. Without SO_PEERCRED the file's mode decides alone."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    _, uid, _ = _PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, option, _PEER.size))
    return uid in (0, os.geteuid())
