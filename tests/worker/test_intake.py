"""Connections handed over, and accepted from listeners of one's own."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest
from tests.worker.conftest import Run
from tests.worker.rig import Client, Rig, Secrets, hello, rig

from prefork.settings.peers import Peers
from prefork.wire import channel, handover
from prefork.wire.board import LINE_BYTES, Field
from prefork.wire.channel import Channel
from prefork.wire.messages import Nudge
from prefork.worker.door import Door
from prefork.worker.intake import Intake, Lines, Place
from prefork.worker.link import Link

FAMILIES = [socket.AF_INET, socket.AF_UNIX]  # of the addresses, by number


class Desk:
    """An intake between a server and what stands for the primary."""

    def __init__(self, made: Rig) -> None:
        self.made = made
        made.line[Field.CAPACITY] = 1000
        self.sending, self._receiving = handover.pair()
        ours, theirs = channel.pair()
        self.primary, self._channel = Channel(ours), Channel(theirs)
        self.handed_over: list[socket.socket] = []  # duplicates of what the worker has
        self.own_line = memoryview(bytearray(LINE_BYTES)).cast("Q")
        link = Link(self._channel, made.loop)
        lines = Lines(made.line, self.own_line)
        self.intake = Intake(self._receiving, link, lines, made.loop)
        self.door = Door(made.server, made.loop)
        self.intake.receive(
            {number: Place(family, self.door) for number, family in enumerate(FAMILIES)}
        )

    def hand_over(self, address: int, *, is_moved: bool = False) -> Client:
        """Have the primary accept a connection and pass it on."""
        if FAMILIES[address] == socket.AF_UNIX:
            near, far = socket.socketpair()
        else:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                far = socket.create_connection(listener.getsockname())
                near, _ = listener.accept()
        assert handover.send(self.sending, address, [near.fileno()], is_moved=is_moved)
        self.handed_over.append(near)
        return Client(far)

    def close(self) -> None:
        self.made.loop.remove_reader(self._channel)  # or its end would end the process
        for end in (self.sending, self._receiving, *self.handed_over):
            end.close()
        self.primary.close()
        self._channel.close()


@asynccontextmanager
async def desk_of() -> AsyncIterator[Desk]:
    async with rig(hello) as made:
        desk = Desk(made)
        try:
            yield desk
        finally:
            desk.intake.stop()
            desk.close()


def listener() -> socket.socket:
    made = socket.create_server(("127.0.0.1", 0))
    made.setblocking(False)
    return made


@pytest.mark.parametrize("address", [0, 1])
def test_what_is_handed_over_is_served(run: Run, address: int) -> None:
    async def scenario() -> None:
        async with desk_of() as desk:
            client = desk.hand_over(address)
            assert (await client.get()).body == b"hello"
            client.close()
            assert desk.made.board(Field.RECEIVED) == 1

    run(scenario())


def test_what_another_worker_had_is_not_counted_as_accepted_and_is_idle(run: Run) -> None:
    async def scenario() -> None:
        async with desk_of() as desk:
            client = desk.hand_over(0, is_moved=True)
            assert (await client.get()).body == b"hello"
            assert desk.made.board(Field.RECEIVED) == 1
            assert desk.made.board(Field.ACCEPTED) == 0
            assert desk.made.board(Field.CONNECTIONS) == 1
            client.close()

    run(scenario())


def test_only_what_another_worker_could_go_on_with_is_handed_back(
    run: Run, secrets: Secrets
) -> None:
    async def scenario() -> None:
        async with desk_of() as desk:
            assert desk.intake.hand_back(desk.door, {}) is not None
            desk.door.speak_tls(secrets.server)
            assert desk.intake.hand_back(desk.door, {}) is None
        async with desk_of() as desk:
            desk.door.await_headers(desk.made.server.preambles(Peers(["*"])))
            assert desk.intake.hand_back(desk.door, {}) is None

    run(scenario())


def test_nagle_is_off_on_what_was_handed_over(run: Run) -> None:
    """Else the second small write of an answer waits 40 ms for the client's delayed ACK."""

    async def scenario() -> None:
        async with desk_of() as desk:
            client = desk.hand_over(0)
            await client.get()
            (same,) = desk.handed_over
            assert same.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            client.close()

    run(scenario())


def test_who_waits_for_room_is_nudged_when_something_was_taken(run: Run) -> None:
    async def scenario() -> None:
        async with desk_of() as desk:
            desk.own_line[Field.WAITING] = 1
            client = desk.hand_over(1)
            await client.get()
            client.close()
            assert desk.primary.receive() == [Nudge()]

    run(scenario())


def test_nothing_is_accepted_before_it_is_told_to_and_nothing_after_the_stop(run: Run) -> None:
    async def scenario() -> None:
        with closing(listener()) as own:
            async with desk_of() as desk:
                early = Client(socket.create_connection(own.getsockname()))
                await asyncio.sleep(0)
                assert desk.made.board(Field.ACCEPTED) == 0
                desk.intake.accept_from([own], desk.door)
                assert (await early.get()).body == b"hello"
                desk.intake.stop()
                late = Client(socket.create_connection(own.getsockname()))
                assert await late.is_open()
                assert desk.made.board(Field.ACCEPTED) == 1
                for client in (early, late):
                    client.close()

    run(scenario())


def test_the_stop_takes_what_was_handed_over_already(run: Run) -> None:
    async def scenario() -> None:
        async with desk_of() as desk:
            clients = [desk.hand_over(number % 2) for number in range(10)]
            desk.intake.stop()
            assert desk.made.board(Field.RECEIVED) == 10
            for client in clients:
                assert (await client.get()).status == 200
                client.close()

    run(scenario())


def test_a_full_worker_leaves_connections_in_the_backlog_until_it_has_room(run: Run) -> None:
    async def scenario() -> None:
        with closing(listener()) as own:
            async with desk_of() as desk:
                desk.made.line[Field.CAPACITY] = 1
                desk.intake.accept_from([own], desk.door)
                first = Client(socket.create_connection(own.getsockname()))
                await first.get()
                second = Client(socket.create_connection(own.getsockname()))
                assert await second.is_open()
                assert desk.made.board(Field.CONNECTIONS) == 1
                first.close()
                assert (await second.get()).body == b"hello"
                second.close()

    run(scenario())
