"""What all connections of one worker share: the application, the limits, the time, the counters."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any, Protocol

from prefork.http.forwarded import Trust
from prefork.http.limits import Limits
from prefork.wire.board import Field, Line, Share
from prefork.worker.access_log import AccessLog
from prefork.worker.application import Application
from prefork.worker.clock import date_line
from prefork.worker.handback import HandBack
from prefork.worker.overtime import Overtime
from prefork.worker.tasks import Tasks
from prefork.worker.threads import Threads

DRAIN_IDLE = 1.0  # seconds; closing at once failed 3,620 of 27k POSTs, after 0.1 or 1 s none
DRAIN_WINDOW = 0.5  # seconds over which they are closed, so that not all clients reconnect at once

COARSE = 0.5  # seconds by which `now` may lag behind: the worker's tick


class Answered(Protocol):
    """A request, as far as it must be known to tell which it is."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def due(self) -> float: ...  # when it has to be answered
    def extend(self, seconds: float) -> None: ...


class Member(Protocol):
    """A connection, as far as the service must know it."""

    deadline: float

    @property
    def request(self) -> "Answered | None": ...

    def expire(self) -> None: ...
    def drain(self, delay: float) -> None: ...
    def cut(self) -> int: ...


class Service:
    """Counters are counted in slots and copied to the board: a store there costs 59 ns, here 30."""

    # fmt: off
    __slots__ = (
        "accepted", "access_log", "call", "concurrency", "connections", "date", "drained",
        "draining", "due", "environ", "hand_back", "idle_timeout", "in_flight", "is_timed",
        "limits", "line", "loop", "members", "now", "overtime", "raw_root", "relieved", "requests",
        "root_path", "state", "tasks", "threads", "trailing", "trust",
    )
    # fmt: on

    def __init__(
        self,
        application: Application,
        limits: Limits,
        line: Line | Share,
        loop: asyncio.AbstractEventLoop,
        state: dict[str, Any],
    ) -> None:
        self.call = application.callable
        self.overtime = Overtime()
        self.root_path = application.root_path
        self.raw_root = application.root_path.encode("ascii")
        self.limits = limits
        self.line = line
        self.loop = loop
        self.state = state  # of the lifespan; each request gets a shallow copy
        self.tasks = Tasks(loop)
        self.now, self.due = loop.time(), float("inf")  # when what is begun now must be answered
        self.renew(self.now)
        self.concurrency = limits.concurrency or sys.maxsize
        self.idle_timeout = limits.keepalive_timeout
        self.access_log: AccessLog | None = None
        self.trust: Trust | None = None  # in what proxies say
        self.threads: Threads | None = None  # that call a WSGI application, each with a copy of
        self.environ: dict[str, Any] = {}
        self.is_timed = False  # the access log tells how long requests took
        self.draining = False
        self.hand_back: HandBack | None = None  # where connections go to others, while draining
        self.drained: asyncio.Future[None] = loop.create_future()
        self.relieved: Callable[[], None] | None = None  # called when a connection is gone
        self.members: set[Member] = set()
        self.trailing: set[asyncio.Task[None]] = set()  # still running after their answer
        self.requests = self.in_flight = self.connections = self.accepted = 0

    def renew(self, now: float) -> None:
        """Set the clocks. *now* is monotonic; until the next tick it falls behind.

        What is begun until then is due by it; where the event loop stood still meanwhile, that
        would be too early, and its time begins now.
        """
        before, was_due, limit = self.now, self.due, self.limits.request_timeout
        self.now = now
        self.date = date_line()
        if not limit:
            return
        self.due = now + COARSE + limit
        if now - before > 1.2 * COARSE:
            for member in self.members:
                if (request := member.request) is not None and request.due == was_due:
                    request.extend(limit)

    def publish(self) -> None:
        """Copy the counters that are not stored at once to the board."""
        self.line[Field.REQUESTS] = self.requests
        self.line[Field.IN_FLIGHT] = self.in_flight

    def taken(self, count: int, *, is_new: bool = True) -> None:
        """Count connections that were accepted or received, before anything is done with them.

        Those that another worker had are counted as accepted there.
        """
        self.accepted += count * is_new
        self.connections += count
        self.line[Field.ACCEPTED] = self.accepted
        self.line[Field.CONNECTIONS] = self.connections

    def released(self, count: int = 1) -> None:
        """Count connections that are gone: closed, or never attached."""
        self.connections -= count
        self.line[Field.CONNECTIONS] = self.connections
        self.publish()
        self.check_drained()
        if self.relieved is not None:
            self.relieved()

    def handed_back(self) -> None:
        """Count a connection that is somebody else's from now on, before it is `released`."""
        self.line[Field.HANDED_BACK] += 1

    def keep(self, task: asyncio.Task[None]) -> None:
        """Own a task that goes on after its answer or its connection; the drain waits for it."""
        if not task.done():
            self.trailing.add(task)
            task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self.trailing.discard(task)
        self.check_drained()

    def check_drained(self) -> None:
        """Tell whoever waits for it when nothing is left."""
        done = self.draining and not self.connections and not self.trailing
        if done and not self.drained.done():
            self.drained.set_result(None)
