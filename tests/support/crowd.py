"""Many clients that behave alike, in a process of their own.

    python -m tests.support.crowd SCRIPT

A line on its standard input makes it do something and answer with a line: `ask` has every client
send its request again. At the end of the input it reports what became of each.
"""

import asyncio
import json
import select
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

import uvloop
from tests.support.pacing import think
from tests.support.program import ROOT
from tests.support.wire import IP_BIND_ADDRESS_NO_PORT, source

from prefork.wire.descriptors import raise_limit

AT_ONCE = 100  # connects under way: a backlog is finite
EVERY = 1.0  # second between two drops
ANSWER = b"HTTP/1.1 200 "


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What each client does: it sends `first`, and after `delay` a byte of `drops` each second."""

    port: int
    count: int
    first: str = ""
    drops: str = ""
    delay: float = 0.0  # seconds
    answers: int = 0  # that each waits for before the crowd has gathered
    reads: int = 65536  # bytes at once
    reads_every: float = 0.0  # seconds
    origin: int = 1  # number of the first source address


@dataclass(slots=True)
class Life:
    """What became of one client's connection."""

    opened: float = 0.0  # monotonic seconds
    lasted: float = 0.0  # seconds, until it ended
    end: str = "open"  # or closed, reset, refused
    status: int = 0  # of the last answer
    answers: int = 0
    received: int = 0  # bytes


class Client:
    def __init__(self, script: Script, number: int) -> None:
        self.life = Life()
        self._script = script
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        if script.reads_every:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.bind((source(script.origin + number), 0))
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    async def connect(self) -> None:
        await self._loop.sock_connect(self._socket, ("127.0.0.1", self._script.port))
        self.life.opened = time.monotonic()
        await self.say(self._script.first)

    async def say(self, text: str) -> None:
        with suppress(OSError):  # whoever reads sees how it ended
            await self._loop.sock_sendall(self._socket, text.encode())

    async def drip(self) -> None:
        await think(self._script.delay)
        while self._script.drops:
            for drop in self._script.drops:
                if self.life.end != "open":
                    return
                await self.say(drop)
                await think(EVERY)

    async def read(self) -> None:
        try:
            while data := await self._loop.sock_recv(self._socket, self._script.reads):
                self._take(data)
                if self._script.reads_every:
                    await think(self._script.reads_every)
            self.life.end = "closed"
        except OSError:
            self.life.end = "reset"
        self.life.lasted = time.monotonic() - self.life.opened
        self._news.set()
        self._socket.close()

    async def served(self, count: int) -> None:
        """Wait until so many answers came, or the end."""
        while self.life.answers < count and self.life.end == "open":
            self._news.clear()
            await self._news.wait()

    def _take(self, data: bytes) -> None:
        self.life.received += len(data)
        if (start := data.rfind(b"HTTP/1.1 ")) >= 0:
            self.life.status = int(data[start + 9 : start + 12])
        self.life.answers += data.count(ANSWER)
        self._news.set()


async def main(script: Script) -> None:
    clients = [Client(script, number) for number in range(script.count)]
    room = asyncio.Semaphore(AT_ONCE)
    tasks: set[asyncio.Task[None]] = set()

    async def arrive(client: Client) -> None:
        async with room:
            try:
                await client.connect()
            except OSError:
                client.life.end = "refused"
                return
            tasks.add(asyncio.create_task(client.read()))
            await client.served(script.answers)
        tasks.add(asyncio.create_task(client.drip()))

    await asyncio.gather(*(arrive(client) for client in clients))
    say("gathered")
    wanted = script.answers
    commands = await lines()
    while (command := (await commands.readline()).strip()) == b"ask":
        wanted += 1
        await asyncio.gather(*(client.say(script.first) for client in clients))
        await asyncio.gather(*(client.served(wanted) for client in clients))
        say("served")
    if command == b"wait":
        await asyncio.gather(*tasks)
    print(json.dumps([asdict(client.life) for client in clients]), flush=True)


async def lines() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    return reader


def say(what: str) -> None:
    print(what, flush=True)


class Crowd:
    """Such a process: all are connected when the context opens."""

    def __init__(self, script: Script, patience: float = 60) -> None:
        self._patience = patience
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.crowd", json.dumps(asdict(script))],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )

    def ask(self) -> None:
        """Have every client send its request again."""
        self._write(b"ask\n")

    def await_answers(self) -> None:
        """Wait until each has an answer, or its connection ended."""
        self._await(b"served")

    def wait(self) -> list[Life]:
        """Wait until every connection has ended."""
        self._write(b"wait\n")
        return self.report()

    def report(self) -> list[Life]:
        """End the crowd; what became of each so far."""
        out, _ = self._process.communicate(timeout=self._patience)
        assert self._process.returncode == 0
        return [Life(**each) for each in json.loads(out.splitlines()[-1])]

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line)

    def _await(self, line: bytes) -> None:
        assert self._process.stdout is not None
        poll = select.poll()
        poll.register(self._process.stdout, select.POLLIN)
        assert poll.poll(self._patience * 1000), f"never {line!r}"
        assert self._process.stdout.readline().strip() == line

    def __enter__(self) -> Self:
        try:
            self._await(b"gathered")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._process.kill()
        self._process.communicate()


def counted(lives: list[Life], by: Callable[[Life], Any]) -> Counter[Any]:
    return Counter(map(by, lives))


if __name__ == "__main__":
    raise_limit()
    uvloop.run(main(Script(**json.loads(sys.argv[1]))))
