"""Clients that load a server and never retry, in one event loop of a process of their own.

    python -m tests.support.clients [HOST] PLAN

It writes a line when every client was served once, runs until its standard input ends, or the
plan's time is over, and then writes its report: both are lines of JSON.
"""

import asyncio
import itertools
import json
import sys
import time
from typing import TypeVar

import uvloop
from tests.support import tidings
from tests.support.pacing import think
from tests.support.talker import Talker
from tests.support.tidings import BIN, Answered, Failure, Plan, Report
from tests.support.wire import UnservedError, Wire, source

W = TypeVar("W", bound=Wire)
LOOPBACK = "127.0.0.1"
__all__ = ["Clients", "Failure", "Plan", "Report"]
GET = b"GET /pid HTTP/1.1\r\nHost: test\r\n\r\n"
GET_AND_CLOSE = b"GET /pid HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
POST = b"POST /pid HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello"
REQUESTS = {  # by the kind of client
    "per_request": GET_AND_CLOSE,
    "keep_alive": GET,
    "posting": POST,
    "apart": GET_AND_CLOSE,
}
LOOK = 0.02  # seconds between two looks at the clock
APART_ORIGINS = range(1000, 2000)  # source addresses of their own


class Clients:
    def __init__(self, plan: Plan, host: str = LOOPBACK) -> None:
        self._plan = plan
        self._host = host
        self._report = Report(started=time.monotonic())
        self._answers: dict[tuple[int, str, str], Answered] = {}  # by pid, mark and kind of client
        self._stopping = False
        kinds = ("per_request", "keep_alive", "posting", "talking")
        everyone = [kind for kind in kinds for _ in range(getattr(plan, kind))]
        self._everyone = {source(number): kind for number, kind in enumerate(everyone)}
        thinks = itertools.cycle(plan.thinks or [plan.pause])
        self._pauses = {  # by source address
            origin: plan.pause if kind == "per_request" else next(thinks)
            for origin, kind in self._everyone.items()
        }
        self._unserved = {*self._everyone, *(["apart"] if plan.apart else [])}

    @property
    def _going(self) -> bool:
        enough = len(self._report.failures) >= self._plan.most_failures
        over = time.monotonic() - self._report.started >= self._plan.seconds
        return not (self._stopping or enough or over)

    async def run(self) -> Report:
        watch = asyncio.create_task(self._watch())
        async with asyncio.TaskGroup() as group:
            for origin, kind in self._everyone.items():
                group.create_task(self._client(origin, kind))
            if self._plan.apart:
                group.create_task(self._apart(group))
        watch.cancel()
        self._report.answers = list(self._answers.values())
        return self._report

    def stop(self) -> None:
        """Let every client finish the request it is at."""
        self._stopping = True

    async def _watch(self) -> None:
        """See how late we are told of what has happened."""
        while True:
            due = time.monotonic() + LOOK
            await think(LOOK)
            self._report.lag = max(self._report.lag, time.monotonic() - due)

    async def _client(self, origin: str, kind: str) -> None:
        while self._going:
            converse = self._talk if kind == "talking" else self._converse
            if await converse(origin, kind):
                self._was_served(origin)
            await think(self._pauses[origin])

    async def _apart(self, group: asyncio.TaskGroup) -> None:
        """Open a connection every so often, whatever became of those before."""

        async def ask(origin: str) -> None:
            if await self._converse(origin, "apart"):
                self._was_served("apart")

        due = time.monotonic()
        for number in itertools.cycle(APART_ORIGINS):
            if not self._going:
                return
            group.create_task(ask(source(number)))
            due += self._plan.apart
            await think(max(0.0, due - time.monotonic()))

    async def _converse(self, origin: str, kind: str) -> int:
        """Ask on one connection until it closes or fails; return who answered last, or 0."""
        pid, closed = 0, False
        with self._open(Wire, origin) as wire:
            try:
                asked = time.monotonic()
                await wire.connect()
                self._report.connections += 1
                keeps = REQUESTS[kind] is not GET_AND_CLOSE
                while not closed and self._going:
                    answer = await wire.ask(REQUESTS[kind])
                    pid = self._count(kind, answer.body, asked)
                    closed = answer.closes or not keeps
                    if not closed:
                        self._was_served(origin)
                        await think(self._pauses[origin])
                        asked = time.monotonic()
                        closed = self._plan.is_careful and wire.has_ended()
                self._report.closed += closed and keeps
            except UnservedError as failed:
                self._note(failed, kind, wire, pid)
        return pid

    async def _talk(self, origin: str, kind: str) -> int:
        """Talk on one WebSocket until it closes or fails; return who answered last, or 0."""
        pid = 0
        with self._open(Talker, origin) as wire:
            try:
                asked = time.monotonic()
                await wire.connect()
                self._report.connections += 1
                await wire.open()
                while self._going and (answer := await wire.say(b"hello")) is not None:
                    pid = self._count(kind, answer, asked)
                    self._was_served(origin)
                    await think(self._plan.pause)
                    asked = time.monotonic()
            except UnservedError as failed:
                self._note(failed, kind, wire, pid)
        return pid

    def _open(self, make: type[W], origin: str) -> W:
        local = origin if self._host == LOOPBACK else ""  # elsewhere we have but one
        return make((self._host, self._plan.port), local, timeout=self._plan.timeout)

    def _note(self, failed: UnservedError, kind: str, wire: Wire, pid: int) -> None:
        failure = Failure(time.monotonic(), failed.kind.value, kind, wire.local, pid)
        self._report.failures.append(failure)

    def _was_served(self, client: str) -> None:
        if client in self._unserved:
            self._unserved.discard(client)
            if not self._unserved:
                print(json.dumps({"served": self._report.served}), flush=True)

    def _count(self, kind: str, said: bytes, asked: float) -> int:
        """Book an answer, which is a pid, or a pid and the mark of the code; return the pid."""
        report, now = self._report, time.monotonic()
        pid, _, mark = said.decode().partition(" ")
        found = self._answers.get((int(pid), mark, kind))
        if found is None:
            found = self._answers[int(pid), mark, kind] = Answered(int(pid), mark, kind)
        found.count += 1
        found.first, found.last = min(found.first, asked), max(found.last, asked)
        report.served += 1
        report.slowest = max(report.slowest, now - asked)
        rhythm = report.rhythm.setdefault(mark, [])
        passed = int((now - report.started) / BIN)
        rhythm += [0] * (passed + 1 - len(rhythm))
        rhythm[passed] += 1
        return int(pid)


async def main(*host: str) -> Report:
    clients = Clients(tidings.plan(sys.argv[-1]), *host)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(sys.stdin)
        clients.stop()

    loop.add_reader(sys.stdin, stop)
    return await clients.run()


if __name__ == "__main__":
    print(tidings.written(uvloop.run(main(*sys.argv[1:-1]))), flush=True)
