"""A pool of real processes without an instance: what a primary does for it, in small."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.cradle import ENTRIES

from prefork.pool import process
from prefork.pool.client import Pool
from prefork.pool.engines.processes import Processes
from prefork.pool.terms import Lines, Terms
from prefork.settings.schema import Settings
from prefork.wire import boundary, channel, signalling, timings
from prefork.wire.board import Board, Field
from prefork.wire.channel import Channel
from prefork.wire.descriptors import close_others
from prefork.wire.estate import Estate, PoolBirth
from prefork.wire.messages import (
    Condemn,
    Idle,
    Message,
    PoolExit,
    PoolLine,
    Stop,
    Tickets,
    Want,
    WorkerLine,
    Worn,
)

FIRST_LINE = 100  # of the board: those before are workers'


class Servant:
    """One process, as its primary knows it."""

    def __init__(self, id: int, pid: int, line: int, channel: Channel) -> None:
        self.id = id
        self.pid = pid
        self.line = line
        self.channel = channel
        self.handle = os.pidfd_open(pid)
        self.exited = asyncio.get_running_loop().create_future()


class Worker:
    """One that has a pool: its engine, and what it says to its primary."""

    def __init__(self, house: "House", id: int, **terms: Any) -> None:
        self.id = id
        self.house = house
        self.said: list[Message] = []
        wanted = {"limit": 1000, "grace": 0.3, "grows": False} | terms
        self._ours, theirs = channel.pair()
        self.board = house.board.line(id)
        loop = asyncio.get_running_loop()
        lines = Lines(self.board, house.board.line)
        self.engine = Processes(Terms(id, **wanted), self._say, lines, loop)
        self.pool = Pool(self.engine)
        self._to = Channel(theirs)
        self._from = Channel(self._ours)
        loop.add_reader(self._from, self._hear)
        self.is_introduced = False

    def _say(self, message: Message) -> None:
        self.said.append(message)
        match message:
            case Want():
                self.house.introduce(self)
            case Condemn(id, task):
                self.house.condemn(id, task)
            case _:
                pass

    def tell(self, message: Message, descriptors: list[int]) -> None:
        self._to.send(message, descriptors)

    def _hear(self) -> None:
        for message in self._from.receive():
            assert isinstance(message, Tickets | PoolLine | PoolExit)
            self.engine.hear(message, self._from)

    async def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._from)
        await self.pool.close()
        self._to.close()
        self._from.close()


class House:
    """*replaces*: whoever dies, as a primary does."""

    def __init__(self, settings: Settings, *, replaces: bool = True) -> None:
        self.settings = settings
        self.board = Board(200)
        self.reading, self.writing = os.pipe()
        for each in (self.reading, self.writing):
            os.set_blocking(each, False)
        self.servants: dict[int, Servant] = {}
        self.workers: list[Worker] = []
        self.said: list[tuple[int, Message]] = []
        self.exits: list[PoolExit] = []
        self._last_id = 1000
        self._replaces = replaces
        self._changed = asyncio.Event()

    # -- workers -------------------------------------------------------------

    def worker(self, **terms: Any) -> Worker:
        worker = Worker(self, len(self.workers) + 1, **terms)
        self.workers.append(worker)
        return worker

    def introduce(self, worker: Worker) -> None:
        worker.is_introduced = True
        worker.tell(Tickets(), [os.dup(self.reading)])
        for servant in self.servants.values():
            self._lay(worker, servant)

    def _lay(self, worker: Worker, servant: Servant) -> None:
        ours, theirs = channel.pair()
        servant.channel.send(WorkerLine(worker.id, worker.id), [theirs.detach()])
        line = PoolLine(servant.id, servant.id - 1000, servant.pid, servant.line, has_handle=True)
        worker.tell(line, [ours.detach(), os.dup(servant.handle)])

    # -- processes -----------------------------------------------------------

    def start(self) -> Servant:
        self._last_id += 1
        id = self._last_id
        line = FIRST_LINE + id % 100
        self.board.clear(line)
        ours, theirs = channel.pair()
        memory = timings.make(0)
        estate = Estate(self.settings, 1, (), self.board, os.getpid(), ENTRIES)
        birth = PoolBirth(estate, id, id - 1000, 1, line, theirs, self.writing, memory)
        with signalling.masked():
            pid = os.fork()
            if pid == 0:
                boundary.run_and_exit(lambda: _be(birth))
        theirs.close()
        os.close(memory)
        servant = self.servants[id] = Servant(id, pid, line, Channel(ours))
        loop = asyncio.get_running_loop()
        loop.add_reader(servant.handle, self._bury, servant)
        loop.add_reader(servant.channel, self._hear, servant)
        for worker in self.workers:
            if worker.is_introduced:
                self._lay(worker, servant)
        return servant

    def _hear(self, servant: Servant) -> None:
        for message in servant.channel.receive():
            self.said.append((servant.id, message))
            if isinstance(message, Worn | Idle):
                servant.channel.send(Stop(1.0))
        self._changed.set()
        if servant.channel.is_ended:
            asyncio.get_running_loop().remove_reader(servant.channel)

    def condemn(self, id: int, task: int) -> None:
        servant = self.servants.get(id)
        if servant is not None and self.board.line(servant.line)[Field.TASK] in (task, 0):
            self.kill(id)

    def kill(self, id: int, number: int = signal.SIGKILL) -> None:
        if servant := self.servants.get(id):
            os.kill(servant.pid, number)

    def _bury(self, servant: Servant) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(servant.handle)
        loop.remove_reader(servant.channel)
        _, status = os.waitpid(servant.pid, 0)
        os.close(servant.handle)
        servant.channel.close()
        del self.servants[servant.id]
        task = self.board.line(servant.line)[Field.TASK]
        exit = PoolExit(servant.id, os.waitstatus_to_exitcode(status), task)
        self.exits.append(exit)
        for worker in self.workers:
            if worker.is_introduced:
                worker.tell(exit, [])
        if not servant.exited.cancelled():
            servant.exited.set_result(exit)
        self._changed.set()
        if self._replaces:
            self.start()

    async def close(self) -> None:
        self._replaces = False
        for worker in self.workers:
            await worker.close()
        for servant in self.servants.values():
            os.kill(servant.pid, signal.SIGKILL)
        while self.servants:  # `exited` may have been cancelled, with a test that waited for it
            self._changed.clear()
            await self._changed.wait()
        os.close(self.reading)
        os.close(self.writing)
        self.board.close()


def _be(birth: PoolBirth) -> int:
    signalling.forget()
    close_others([birth.channel.fileno(), birth.tickets, birth.timings])
    return process.serve(birth, Channel(birth.channel))


@asynccontextmanager
async def house(
    processes: int = 2, *, replaces: bool = True, **settings: Any
) -> AsyncIterator[House]:
    """Open one with so many processes."""
    made = House(Settings(app="app:none", pool=processes, **settings), replaces=replaces)
    for _ in range(processes):
        made.start()
    try:
        async with asyncio.timeout(60):
            yield made
    finally:
        await made.close()
