"""What every server of one worker is made with."""

import asyncio
import ssl
from typing import Any

from prefork.http.forwarded import Trust
from prefork.settings.peers import Peers
from prefork.wire.board import Line, Share
from prefork.worker import bounds
from prefork.worker.access_log import open_access_log
from prefork.worker.application import Application
from prefork.worker.door import Door
from prefork.worker.presence import Presence
from prefork.worker.server import Server

LAST_LINES = 2.0  # seconds that a slow reader of the access log gets, within the deadline


class Premises:
    def __init__(
        self, here: Presence, loop: asyncio.AbstractEventLoop, tls: ssl.SSLContext | None
    ) -> None:
        settings, estate = here.birth.estate.settings, here.birth.estate
        self._here = here
        self._loop = loop
        self._tls = tls
        self._limits = bounds.limits_of(settings)
        self._trust = Trust(Peers(settings.forwarded_allow_ips), settings.forwarded_headers)
        self._proxies = Peers(settings.proxy_protocol_allow_ips)
        self._access_log = open_access_log(settings, estate.stdout)
        self.most_connections = bounds.most_connections(settings, estate.workers)

    def door(self, application: Application, state: dict[str, Any], line: Line | Share) -> Door:
        """Make a server, and the way into it. *state*: of its lifespan. Raises AppError."""
        server = Server(application, self._limits, line, self._loop, state)
        self._here.witness.members.append(server.members)
        server.trust(self._trust)
        server.log_to(self._access_log)
        door = Door(server, self._loop)
        if self._tls is not None:
            door.speak_tls(self._tls)
        if self._proxies:
            door.await_headers(server.preambles(self._proxies))
        return door

    def forget(self, door: Door) -> None:
        """Its server has closed."""
        self._here.witness.forget(door.server.members)

    def finish(self, by: float) -> None:
        """Write the last lines, until the loop's time *by*. That blocks, as it may now."""
        self._here.stop_beating()
        if self._access_log is not None:
            self._access_log.finish(min(LAST_LINES, by - self._loop.time()))
