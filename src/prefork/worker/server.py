"""The HTTP server of one worker: it makes the connections, ticks for them, and drains them."""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import Any

from prefork.http.connection import Connection
from prefork.http.forwarded import Trust
from prefork.http.limits import Limits
from prefork.http.quota import Quota
from prefork.http.upgrade import Switch
from prefork.settings.peers import Peers
from prefork.wire.board import Field, Line, Share
from prefork.worker.access_log import AccessLog
from prefork.worker.application import Application
from prefork.worker.asgi import AsgiCycle
from prefork.worker.cycle import Cycle
from prefork.worker.extension import aware
from prefork.worker.handback import HandBack
from prefork.worker.handler import HandlerCycle
from prefork.worker.logged import LoggedProtocol
from prefork.worker.preamble import Preambles
from prefork.worker.protocol import HttpProtocol
from prefork.worker.service import COARSE, DRAIN_IDLE, DRAIN_WINDOW, Member, Service
from prefork.worker.threads import Threads
from prefork.worker.websocket import WebSocketCycle
from prefork.worker.wsgi import WsgiCycle
from prefork.worker.wsgi_environ import common

CYCLES: dict[str, type[Cycle]] = {"asgi": AsgiCycle, "handler": HandlerCycle, "wsgi": WsgiCycle}


class Server:
    """Give it the connections that were accepted, and call `tick` twice a second."""

    def __init__(
        self,
        application: Application,
        limits: Limits,
        line: Line | Share,
        loop: asyncio.AbstractEventLoop,
        state: dict[str, Any] | None = None,
    ) -> None:
        self._service = Service(application, limits, line, loop, state or {})
        self._limits = limits
        self._make = CYCLES[application.kind]
        if limits.request_timeout:
            self._service.call = aware(application.callable, application.kind)
        self._switch: Switch[Cycle] | None = None
        if application.kind == "asgi":
            self._switch = lambda request: WebSocketCycle.switched(request, limits.websocket)
        elif application.kind == "wsgi":
            self._service.threads = Threads(application.threads)
            self._service.overtime.threads = application.threads
            self._service.environ = common(application.root_path, application.threads)

    def __repr__(self) -> str:
        service = self._service
        draining = " draining" if service.draining else ""
        return f"<Server {service.connections} open, {service.in_flight} in flight{draining}>"

    @property
    def drained(self) -> asyncio.Future[None]:
        """Done when draining, and no connection and no task of a request is left."""
        return self._service.drained

    @property
    def connections(self) -> int:
        """How many connections are taken and not closed."""
        return self._service.connections

    @property
    def in_flight(self) -> int:
        """How many requests were begun and are not answered."""
        return self._service.in_flight

    @property
    def members(self) -> set[Member]:
        """The connections that are open, as they come and go."""
        return self._service.members

    def log_to(self, access_log: AccessLog | None) -> None:
        """Tell of the requests of all connections that are made from now on."""
        self._service.access_log = access_log
        self._service.is_timed = access_log is not None and access_log.is_timed

    def trust(self, trust: Trust) -> None:
        """Heed what trusted proxies say, on all connections that are made from now on."""
        self._service.trust = trust

    def preambles(self, allowed: Peers) -> Preambles:
        """Give what connections wait in that have to begin with a PROXY header."""
        return Preambles(self._service, self.protocol, allowed)

    def leave(self, seconds: float) -> None:
        """After the drain: end the threads, waiting at most so long; write what the log has."""
        self._service.tasks.end()
        if self._service.threads is not None:
            self._service.threads.end(seconds)
        if self._service.access_log is not None:
            self._service.access_log.flush()

    def protocol(self) -> HttpProtocol:
        """Make the protocol of a new connection, which must have been counted by `taken`."""
        most = self._limits.keepalive_requests
        make = Quota(self._make, most) if most else self._make
        connection = Connection(self._limits, make, self._switch)
        if self._service.access_log is not None:
            return LoggedProtocol(self._service, connection, self._service.access_log)
        return HttpProtocol(self._service, connection)

    def resumed(self) -> HttpProtocol:
        """Make the protocol of a connection that another worker had, between two requests."""
        made = self.protocol()
        made.resume()
        return made

    def expect(self, count: int) -> None:
        """Count one that is about to be accepted, or with -1 one that wasn't: a kill may come
        between that and `taken`."""
        self._service.line[Field.CONNECTIONS] += count

    def taken(self, count: int, *, is_new: bool = True) -> None:
        """Count connections that were accepted or received, as soon as they were."""
        self._service.taken(count, is_new=is_new)

    def when_relieved(self, call: Callable[[], None]) -> None:
        """Call this whenever there may be one connection fewer."""
        self._service.relieved = call

    def released(self, count: int = 1) -> None:
        """Count off connections that were taken and couldn't be attached."""
        self._service.released(count)

    def tick(self, now: float) -> None:
        """Renew the Date header, end what is overdue, publish the counters. *now* is monotonic."""
        service = self._service
        service.renew(now)
        for member in [member for member in service.members if member.deadline <= now]:
            member.expire()
        service.overtime.tick(now)
        service.publish()
        if service.access_log is not None:
            service.access_log.tick(now)

    def publish(self) -> None:
        """Copy the counters to the board."""
        self._service.publish()

    def start_drain(self, hand_back: HandBack | None = None) -> None:
        """Answer what was begun and what comes on open connections once more, then close them.

        With *hand_back* those that are between two requests are not closed but go there.
        """
        service = self._service
        if service.draining:
            return
        service.draining = True
        service.hand_back = hand_back
        service.now = service.loop.time()
        service.idle_timeout = DRAIN_IDLE + COARSE
        drains = [partial(each.drain, random.uniform(0, DRAIN_WINDOW)) for each in service.members]
        if hand_back is not None:
            hand_back.call(drains)
        else:
            for drain in drains:
                drain()
        service.publish()
        service.check_drained()

    def end_hand_back(self) -> None:
        """Drain as without: everything ends, and there is nobody to hand to."""
        if self._service.hand_back is not None:
            self._service.hand_back.end()

    def cut(self) -> int:
        """The deadline passed: end everything. Return how many requests this cost."""
        service = self._service
        trailing = list(service.trailing)
        for task in trailing:
            task.cancel()
        return len(trailing) + sum(member.cut() for member in list(service.members))

    def end_drain(self) -> None:
        """Wait no longer for what was cut: an application may take its time to end."""
        if not self.drained.done():
            self.drained.set_result(None)
