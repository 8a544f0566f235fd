# ruff: noqa: ARG001 - an application takes what the protocol gives

import asyncio
from typing import Any

import pytest
from tests.worker.conftest import Run
from tests.worker.rig import GET, LIMITS, Client, Message, Rig, hello, rig
from tests.worker.test_protocol import Gate, get

from prefork import Request, Response
from prefork.wire.board import Field
from prefork.worker.service import COARSE, DRAIN_IDLE, DRAIN_WINDOW

pytestmark = pytest.mark.usefixtures("wire")

LONGEST = DRAIN_IDLE + COARSE + DRAIN_WINDOW


async def begun(made: Rig, gate: Gate, target: str = "/1") -> Client:
    """A client whose request is being answered."""
    client = await made.connect()
    await client.send(get(target))
    await made.turn(lambda: target in gate.begun)
    return client


# Counters


def test_connections_are_counted_at_once(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            clients = [await made.connect() for _ in range(3)]
            assert (made.board(Field.ACCEPTED), made.board(Field.CONNECTIONS)) == (3, 3)
            clients[0].close()
            await made.turn(lambda: made.board(Field.CONNECTIONS) == 2)
            assert made.board(Field.ACCEPTED) == 3
            made.server.taken(2)
            made.server.released(2)
            assert (made.board(Field.ACCEPTED), made.board(Field.CONNECTIONS)) == (5, 2)

    run(scenario())


def test_requests_are_published_by_the_tick_and_when_a_connection_goes(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await made.connect()
            await client.get()
            assert made.board(Field.REQUESTS) == 0
            made.tick(0.5)
            assert made.board(Field.REQUESTS) == 1
            await client.get()
            client.close()
            await made.turn(lambda: made.board(Field.CONNECTIONS) == 0)
            assert made.board(Field.REQUESTS) == 2

    run(scenario())


def test_requests_in_flight_are_counted(run: Run) -> None:
    gate = Gate()

    async def scenario() -> None:
        async with rig(gate, "handler") as made:
            client = await begun(made, gate)
            made.server.publish()
            assert made.board(Field.IN_FLIGHT) == 1
            gate.open("/1")
            await client.answer()
            gone = await begun(made, gate, "/2")
            gone.close()
            await made.turn(lambda: made.server.connections == 1)
            made.server.publish()
            assert (made.board(Field.IN_FLIGHT), made.board(Field.REQUESTS)) == (0, 1)
            assert repr(made.server) == "<Server 1 open, 0 in flight>"

    run(scenario())


def test_refused_requests_are_not_counted(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            await (await made.connect()).get(b"nonsense\r\n\r\n")
            made.tick(0.5)
            assert (made.board(Field.REQUESTS), made.board(Field.IN_FLIGHT)) == (0, 0)

    run(scenario())


# Drain


def test_a_server_without_connections_is_drained_at_once(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            assert not made.server.drained.done()
            made.server.start_drain()
            assert made.server.drained.done()
            assert repr(made.server) == "<Server 0 open, 0 in flight draining>"

    run(scenario())


def test_the_request_in_flight_is_the_last_one(run: Run) -> None:
    gate = Gate()

    async def scenario() -> None:
        async with rig(gate, "handler") as made:
            client = await begun(made, gate)
            made.server.start_drain()
            assert made.board(Field.IN_FLIGHT) == 1
            gate.open("/1")
            assert (await client.answer()).closes
            assert await client.rest() == b""
            assert not made.server.drained.done()  # it lingers
            client.close()
            await made.server.drained

    run(scenario())


def test_an_idle_connection_gets_one_more_answer(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await made.connect()
            await client.get()
            made.server.start_drain()
            assert await client.is_open()
            answer = await client.get()
            assert (answer.status, answer.closes) == (200, True)
            client.close()
            await made.server.drained

    run(scenario())


def test_a_connection_that_has_not_spoken_is_not_idle(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await made.connect()
            half = await made.connect()
            await half.send(GET[:10])
            made.server.start_drain()
            made.tick(LIMITS.header_timeout - 1)
            for speaker, data in ((client, GET), (half, GET[10:])):
                answer = await speaker.get(data)
                assert (answer.status, answer.closes) == (200, True)
                speaker.close()
            await made.server.drained

    run(scenario())


def test_a_connection_that_never_speaks_is_closed_at_the_header_timeout(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await made.connect()
            made.server.start_drain()
            made.tick(LIMITS.header_timeout + COARSE)
            assert await client.rest() == b""
            client.close()
            await made.server.drained

    run(scenario())


def test_an_idle_connection_is_closed_after_a_while(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await made.connect()
            await client.get()
            made.server.start_drain()
            made.tick(DRAIN_IDLE - 0.1)
            assert await client.is_open()
            made.tick(LONGEST - DRAIN_IDLE + 0.2)
            assert await client.rest() == b""
            client.close()
            await made.server.drained

    run(scenario())


def test_connections_idle_for_long_are_closed_within_the_window(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            clients = [await made.connect() for _ in range(20)]
            for client in clients:
                await client.get()
            for protocol in made.protocols:
                protocol.deadline -= 10  # as if they had been idle for longer
            made.server.start_drain()
            made.server.start_drain()  # once is enough
            spread = {protocol.deadline for protocol in made.protocols}
            assert len(spread) > 10
            assert max(spread) - min(spread) < DRAIN_WINDOW
            made.now = made.loop.time()  # the clients took some
            made.tick(DRAIN_WINDOW + 0.1)
            for client in clients:
                assert await client.rest() == b""

    run(scenario())


def test_only_the_last_of_the_pipelined_requests_closes(run: Run) -> None:
    gate = Gate()

    async def scenario() -> None:
        async with rig(gate, "handler") as made:
            client = await made.connect()
            await client.send(get("/1") + get("/2") + get("/3")[:5])
            await made.turn(lambda: gate.begun == ["/1"])
            made.server.start_drain()
            for name in ("/1", "/2", "/3"):
                gate.open(name)
            assert [(await client.answer()).closes for _ in range(2)] == [False, False]
            await client.send(get("/3")[5:])
            assert (await client.answer()).closes
            client.close()
            await made.server.drained

    run(scenario())


def test_an_answer_that_had_begun_is_finished_and_the_connection_is_then_idle(run: Run) -> None:
    go = asyncio.Event()

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await go.wait()
        await send({"type": "http.response.body", "body": b"b"})

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.send(GET)
            head = await client.until(b"a\r\n")
            made.server.start_drain()
            go.set()
            assert await client.until(b"0\r\n\r\n") == b"1\r\nb\r\n0\r\n\r\n"
            assert b"close" not in head
            made.tick(DRAIN_IDLE)
            assert await client.is_open()
            made.tick(COARSE + 0.1)
            assert await client.rest() == b""

    run(scenario())


def test_a_stream_that_begins_while_draining_closes(run: Run) -> None:
    async def handler(request: Request) -> Response:
        async def pieces() -> Any:
            yield "a"

        return Response(pieces())

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            client = await made.connect()
            made.server.start_drain()
            assert (await client.get()).closes

    run(scenario())


def test_an_error_while_draining_closes_too(run: Run) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        raise ZeroDivisionError("a bug")

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            made.server.start_drain()
            answer = await client.get()
            assert (answer.status, answer.closes) == (500, True)

    run(scenario())


# The deadline


def test_a_request_without_an_answer_gets_503_at_the_deadline(run: Run) -> None:
    gate = Gate()

    async def scenario() -> None:
        async with rig(gate, "handler") as made:
            client = await begun(made, gate)
            await client.send(get("/2"))
            await made.turn(lambda: bool(made.protocols[0].connection.ready))
            made.server.start_drain()
            assert made.server.cut() == 2
            assert (await client.answer()).status == 503
            assert await client.rest() == b""
            await made.server.drained
            assert made.server.in_flight == 0

    run(scenario())


def test_an_answer_that_was_begun_is_cut_at_the_deadline(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    ended: list[str] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("ended")

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.send(GET)
            await client.until(b"a\r\n")
            idle = await made.connect()
            made.server.start_drain()
            assert made.server.cut() == 1
            assert await client.rest() == b""
            assert await idle.rest() == b""
            await made.server.drained
            assert ended == ["ended"]

    run(scenario())
    assert capfd.readouterr().err == ""


def test_what_runs_on_after_an_answer_is_cut_too(run: Run) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await hello(scope, receive, send)
        await asyncio.get_running_loop().create_future()

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.get()
            client.close()
            made.server.start_drain()
            await made.turn(lambda: made.server.connections == 0)
            assert made.server.cut() == 1
            await made.server.drained

    run(scenario())
