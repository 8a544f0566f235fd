"""Clients that load a server and never retry, in one event loop of a process of their own.

    python -m tests.support.clients PLAN

It writes a line when every client was served once, runs until its standard input ends, or the
plan's time is over, and then writes its report: both are lines of JSON.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.support.pacing import think
from tests.support.wire import UnservedError, Wire, source

GET = b"GET /pid HTTP/1.1\r\nHost: test\r\n\r\n"
GET_AND_CLOSE = b"GET /pid HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
POST = b"POST /pid HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello"
MOST_FAILURES = 1000  # of all clients: then the load gives up, as it would spin


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many clients of each kind load *port*, for how long at most."""

    port: int
    per_request: int = 0  # a connection for each request
    keep_alive: int = 0  # GET after GET on one connection
    posting: int = 0  # POST after POST, which no client may repeat
    seconds: float = 60
    timeout: float = 10
    pause: float = 0.002  # between two requests of a client


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that was not served. *pid*: who answered on the connection before; 0: nobody."""

    at: float  # of the monotonic clock, which all processes share
    kind: str
    client: str
    local: str
    pid: int


@dataclass(slots=True)
class Report:
    served: int = 0
    connections: int = 0
    failures: list[Failure] = field(default_factory=list)
    slowest: float = 0.0
    pids: dict[str, int] = field(default_factory=dict)  # requests served, by the server's pid


Client = Callable[[str], Coroutine[Any, Any, None]]


class Clients:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._report = Report()
        self._until = time.monotonic() + plan.seconds
        self._stopping = False
        self._unserved = plan.per_request + plan.keep_alive + plan.posting

    @property
    def _going(self) -> bool:
        enough = len(self._report.failures) >= MOST_FAILURES
        return not (self._stopping or enough or time.monotonic() >= self._until)

    async def run(self) -> Report:
        plan = self._plan
        kinds: list[tuple[Client, int]] = [
            (self._per_request, plan.per_request),
            (self._keep_alive, plan.keep_alive),
            (self._posting, plan.posting),
        ]
        async with asyncio.TaskGroup() as group:
            everyone = [client for client, count in kinds for _ in range(count)]
            for number, client in enumerate(everyone):
                group.create_task(client(source(number)))
        return self._report

    def stop(self) -> None:
        """Let every client finish the request it is at."""
        self._stopping = True

    async def _per_request(self, origin: str) -> None:
        await self._client(origin, GET_AND_CLOSE, "per_request")

    async def _keep_alive(self, origin: str) -> None:
        await self._client(origin, GET, "keep_alive")

    async def _posting(self, origin: str) -> None:
        await self._client(origin, POST, "posting")

    async def _client(self, origin: str, request: bytes, name: str) -> None:
        first = True
        while self._going:
            with Wire(self._plan.port, origin, timeout=self._plan.timeout) as wire:
                async for _ in self._converse(wire, request, name):
                    self._unserved -= first
                    if first and not self._unserved:
                        print(json.dumps({"served": self._report.served}), flush=True)
                    first = False

    async def _converse(self, wire: Wire, request: bytes, name: str) -> AsyncIterator[None]:
        """Ask on one connection until it closes or fails; yield after each answer."""
        pid, closed = 0, False
        try:
            await wire.connect()
            self._report.connections += 1
            while not closed and self._going:
                started = time.monotonic()
                answer = await wire.ask(request)
                pid, closed = int(answer.body), answer.closes
                self._count(pid, time.monotonic() - started)
                yield
                await think(self._plan.pause)
        except UnservedError as failed:
            failure = Failure(time.monotonic(), failed.kind.value, name, wire.local, pid)
            self._report.failures.append(failure)

    def _count(self, pid: int, seconds: float) -> None:
        report = self._report
        report.served += 1
        report.slowest = max(report.slowest, seconds)
        report.pids[str(pid)] = report.pids.get(str(pid), 0) + 1


async def main(plan: Plan) -> Report:
    clients = Clients(plan)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(sys.stdin)
        clients.stop()

    loop.add_reader(sys.stdin, stop)
    return await clients.run()


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(main(Plan(**json.loads(sys.argv[1])))))), flush=True)
