"""Connections that come for a server that has closed."""

import asyncio
import socket
from contextlib import ExitStack, closing

from tests.worker.conftest import Run

from prefork.wire import handover
from prefork.wire.board import LINE_BYTES, Field
from prefork.wire.handover import Batch
from prefork.worker.strays import Strays


def accepted() -> tuple[socket.socket, int]:
    """A client, and the descriptor of its connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        return client, listener.accept()[0].detach()


def test_they_go_back_at_once_where_the_worker_stops(run: Run) -> None:
    async def scenario() -> None:
        with ExitStack() as stack:
            primary, lane = (stack.enter_context(closing(end)) for end in handover.pair())
            line = memoryview(bytearray(LINE_BYTES)).cast("Q")
            strays = Strays(lane, line, asyncio.get_running_loop())
            client, descriptor = accepted()
            strays.take(Batch(3, 1, [descriptor], is_moved=False))
            assert line[Field.CONNECTIONS] == line[Field.ACCEPTED] == 1
            strays.finish()
            batch = handover.receive(primary)
            assert batch is not None
            assert (batch.address, batch.is_moved) == (3, True)
            socket.socket(fileno=batch.descriptors[0]).close()
            assert line[Field.CONNECTIONS] == 0
            assert line[Field.HANDED_BACK] == 1
            client.close()

    run(scenario())


def test_those_that_nobody_takes_are_closed_and_counted_off(run: Run) -> None:
    async def scenario() -> None:
        with ExitStack() as stack:
            _primary, lane = (stack.enter_context(closing(end)) for end in handover.pair())
            line = memoryview(bytearray(LINE_BYTES)).cast("Q")
            while handover.send(lane, 0, [lane.fileno()]):
                continue
            strays = Strays(lane, line, asyncio.get_running_loop())
            client, descriptor = accepted()
            strays.take(Batch(3, 1, [descriptor], is_moved=True))
            strays.finish()
            assert line[Field.CONNECTIONS] == line[Field.ACCEPTED] == line[Field.HANDED_BACK] == 0
            with client:
                assert client.recv(1) == b""

    run(scenario())
