"""Three ways to write a server that lose connections; each replaces a part of prefork by itself.

What watches over prefork must find each of them, or it can't see.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from prefork.primary import binding
from prefork.primary.binding import Opening
from prefork.settings.address import TcpAddress
from prefork.worker import entry
from prefork.worker.door import Door
from prefork.worker.flow import IDLE
from prefork.worker.intake import Intake
from prefork.worker.protocol import HttpProtocol
from prefork.worker.server import Server


class ServedByAsyncio(Intake):
    """An `asyncio.Server` accepts; closing it drops what it accepted last (cpython gh-109564)."""

    _serving: Sequence[asyncio.Task[asyncio.Server]] = ()

    def accept_from(self, listeners: Iterable[socket.socket], door: Door) -> None:
        counted = partial(self._counted, door.server)
        self._serving = [
            self._loop.create_task(self._loop.create_server(counted, sock=each))
            for each in listeners
        ]

    def stop(self) -> None:
        super().stop()
        for each in self._serving:
            each.result().close()

    @staticmethod
    def _counted(server: Server) -> HttpProtocol:
        server.taken(1)
        return server.protocol()


class Owning(Intake):
    """A listener of its own, opened as the worker joins and closed as it leaves."""

    _own: Sequence[socket.socket] = ()

    def accept_from(self, listeners: Iterable[socket.socket], door: Door) -> None:
        self._own = [opened(each.getsockname()) for each in listeners]
        super().accept_from(self._own, door)

    def stop(self) -> None:
        super().stop()
        for each in self._own:
            each.close()


def opened(name: tuple[str, int]) -> socket.socket:
    sock = bound(name)
    sock.listen(2048)
    return sock


def bound(name: tuple[str, int]) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(name)
    return sock


def serve_by_asyncio() -> None:
    """Needs --policy shared: there workers accept."""
    vars(entry).update(new_event_loop=asyncio.new_event_loop, Intake=ServedByAsyncio)


def own_listeners() -> None:
    """Needs --policy shared: the primary holds the port, and nobody listens on its socket."""

    def hold(opening: Opening, accepts: object) -> socket.socket:  # noqa: ARG001
        assert isinstance(opening.address, TcpAddress)
        return bound((opening.address.host, opening.address.port))

    vars(binding).update(listen=hold)
    vars(entry).update(Intake=Owning)


def close_idle() -> None:
    """A drain closes idle connections at once, while the next request may be on its way."""
    drain = HttpProtocol.drain

    def close(self: HttpProtocol, delay: float) -> None:
        if self._phase is IDLE:
            self._close()
        else:
            drain(self, delay)

    setattr(HttpProtocol, "drain", close)  # noqa: B010 - assigned plainly, mypy minds


VARIANTS: dict[str, Callable[[], None]] = {
    "none": lambda: None,
    "asyncio": serve_by_asyncio,
    "own": own_listeners,
    "idle": close_idle,
}
