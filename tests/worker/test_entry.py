"""A worker's life between READY and its end, with a channel and listeners of the test's."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest
from tests.worker.conftest import Run
from tests.worker.rig import GET, PATIENCE, Client

from prefork import Request
from prefork.errors import ExitCode, RemoteError
from prefork.settings.schema import Settings
from prefork.wire import channel, handover, inquiry
from prefork.wire.board import Board, Field
from prefork.wire.channel import Channel
from prefork.wire.estate import Entries, Estate, WorkerBirth
from prefork.wire.messages import Admit, Leaving, Message, Ready, SpawnWorker, Stop
from prefork.worker.application import Application
from prefork.worker.code import Code
from prefork.worker.entry import Worker
from prefork.worker.hooks import Hook
from prefork.worker.link import Link
from prefork.worker.member import Member
from prefork.worker.presence import Presence
from prefork.worker.witness import Witness


def code() -> Code:
    application = Application("tests:app", "handler", greet)
    moments = ("post_fork", "pre_stop", "worker_exit", "pool_initializer")
    post_fork, pre_stop, worker_exit, pool_initializer = map(Hook, moments)
    return Code(application, post_fork, pre_stop, worker_exit, pool_initializer)


class Primary:
    """The primary's ends of one worker, and its task."""

    def __init__(self, listener: socket.socket) -> None:
        ours, theirs = channel.pair()
        self.channel = Channel(ours)
        self.handover, receiving = handover.pair()
        self._receiving = receiving
        estate = Estate(
            Settings(app="tests:app"),
            1,
            (socket.AF_INET,),
            Board(2),
            os.getpid(),
            Entries(*["nowhere"] * 5),
        )
        self.line = estate.board.line(1)
        self.inquirer, self._respondent = inquiry.pair()
        listeners = (listener,)
        birth = WorkerBirth(estate, 1, 0, 1, 1, theirs, receiving, listeners, self._respondent)
        self._theirs = Channel(theirs)
        here = Presence(birth, self._theirs, Member(), Witness())
        self.life = asyncio.create_task(Worker(here, code()).live())

    async def hear(self) -> Message:
        """Wait for the next thing that the worker says."""
        loop = asyncio.get_running_loop()
        readable = loop.create_future()
        loop.add_reader(self.channel, readable.set_result, None)
        async with asyncio.timeout(PATIENCE):
            await readable
        loop.remove_reader(self.channel)
        (said,) = self.channel.receive()
        return said

    async def end(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self.life

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._theirs)  # or its end would end the process
        ends = (self.channel, self.handover, self._receiving, self._theirs)
        for each in (*ends, self.inquirer, self._respondent):
            each.close()


async def greet(_: Request) -> str:
    return "hello"


@asynccontextmanager
async def primary_of(listener: socket.socket) -> AsyncIterator[Primary]:
    primary = Primary(listener)
    try:
        assert await primary.hear() == Ready(os.getpid(), "handler")
        yield primary
    finally:
        primary.life.cancel()
        primary.close()


def bound() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    return listener


def test_a_ready_worker_accepts_nothing_itself_until_it_is_admitted(run: Run) -> None:
    async def scenario() -> None:
        with closing(bound()) as listener:
            async with primary_of(listener) as primary:
                client = Client(socket.create_connection(listener.getsockname()))
                await client.send(GET)
                assert await client.is_open()
                assert primary.line[Field.ACCEPTED] == 0
                primary.channel.send(Admit())
                assert (await client.answer()).body == b"hello"
                client.close()
                primary.channel.send(Stop(1))
                assert await primary.end() == ExitCode.OK

    run(scenario())


def test_what_is_handed_over_is_served_before_it_is_admitted(run: Run) -> None:
    async def scenario() -> None:
        with closing(bound()) as listener:
            async with primary_of(listener) as primary:
                client = Client(socket.create_connection(listener.getsockname()))
                accepted, _ = listener.accept()
                with accepted:
                    assert handover.send(primary.handover, 0, [accepted.fileno()])
                assert (await client.get()).body == b"hello"
                client.close()

    run(scenario())


def test_a_stop_before_the_admission_ends_a_ready_worker(run: Run) -> None:
    async def scenario() -> None:
        with closing(bound()) as listener:
            async with primary_of(listener) as primary:
                client = Client(socket.create_connection(listener.getsockname()))
                primary.channel.send(Stop(1))
                primary.channel.send(Admit())  # too late: they are read at once
                assert await primary.end() == ExitCode.OK
                assert primary.line[Field.ACCEPTED] == 0
                client.close()

    run(scenario())


def test_a_second_admission_changes_nothing(run: Run) -> None:
    async def scenario() -> None:
        with closing(bound()) as listener:
            async with primary_of(listener) as primary:
                primary.channel.send(Admit())
                primary.channel.send(Admit())
                client = Client(socket.create_connection(listener.getsockname()))
                assert (await client.get()).body == b"hello"
                primary.channel.send(Admit())
                assert (await client.get()).body == b"hello"
                client.close()

    run(scenario())


def test_a_worker_that_is_signalled_before_its_admission_asks_to_leave(run: Run) -> None:
    async def scenario() -> None:
        with closing(bound()) as listener:
            async with primary_of(listener) as primary:
                os.kill(os.getpid(), signal.SIGTERM)
                assert await primary.hear() == Leaving()
                primary.channel.send(Admit())
                client = Client(socket.create_connection(listener.getsockname()))
                assert (await client.get()).body == b"hello"
                client.close()

    run(scenario())


def test_an_order_that_is_not_for_workers_is_an_error(run: Run) -> None:
    async def scenario() -> None:
        ours, theirs = (Channel(end) for end in channel.pair())
        link = Link(theirs, asyncio.get_running_loop())
        with closing(ours), closing(theirs):
            asyncio.get_running_loop().remove_reader(theirs)
            ours.send(SpawnWorker(1, 0, 1, []))
            with pytest.raises(RemoteError, match="the primary sent SpawnWorker"):
                link.hear()

    run(scenario())
