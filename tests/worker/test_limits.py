"""The limits that need a clock, or that several connections share."""

# ruff: noqa: ARG001 - an application takes what the protocol gives

import asyncio
from typing import Any

from tests.worker.conftest import Run
from tests.worker.rig import GET, Message, Rig, hello, rig
from tests.worker.test_protocol import POST, START, Gate, get, path

from prefork import Request
from prefork.worker.flow import HIGH_WATER
from prefork.worker.pace import GRACE, MOST

RATE = 240
UPLOAD = POST + b"Content-Length: 1000000\r\n\r\n"
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def length(request: Request) -> str:
    return str(len(await request.body()))


async def begun(made: Rig) -> None:
    await made.turn(lambda: made.server.in_flight == 1)


async def waiting(made: Rig) -> None:
    """Wait until the application waits for a body."""
    await made.turn(lambda: bool(made.protocols) and made.protocols[0]._pace is not None)


async def arrived(made: Rig, size: int) -> None:
    """Wait until so much of the body arrived, and the application waits for more."""
    cycle = made.protocols[0]._cycle
    assert cycle is not None
    await made.turn(lambda: cycle.received == size and not cycle.buffer)
    if made.protocols[0].service.limits.body_rate:
        await made.turn(lambda: made.protocols[0].deadline < float("inf"))


# The pace of a body


def test_a_body_that_does_not_come_is_given_up(run: Run) -> None:
    async def scenario() -> None:
        async with rig(length, "handler") as made:
            client = await made.connect()
            await client.send(UPLOAD)
            await waiting(made)
            made.tick(GRACE - 1)
            assert await client.is_open()
            made.tick(1)
            answer = await client.answer()
            assert (answer.status, answer.closes) == (408, True)
            assert await client.rest() == b""
            assert made.server.in_flight == 0

    run(scenario())


def test_a_body_that_drips_is_given_up_and_one_that_flows_is_not(run: Run) -> None:
    async def sent(made: Rig, bytes_per_second: int, seconds: int) -> int:
        client = await made.connect()
        await client.send(UPLOAD)
        await begun(made)
        await arrived(made, 0)
        for second in range(1, seconds + 1):
            made.tick(1)
            if made.server.in_flight == 0:
                assert (await client.answer()).status == 408
                return second
            await client.send(b"x" * bytes_per_second)
            await arrived(made, second * bytes_per_second)
        return 0

    async def scenario() -> None:
        async with rig(length, "handler") as made:
            assert 9 <= await sent(made, RATE // 2, 100) <= 10
        async with rig(length, "handler") as made:
            assert await sent(made, RATE, 100) == 0
        async with rig(length, "handler", body_rate=0) as made:
            assert await sent(made, 1, 100) == 0

    run(scenario())


def test_a_fast_beginning_buys_a_minute_of_silence(run: Run) -> None:
    async def scenario() -> None:
        async with rig(length, "handler") as made:
            client = await made.connect()
            await client.send(UPLOAD + b"x" * 100_000)
            await begun(made)
            await arrived(made, 100_000)
            made.tick(MOST - 1)
            assert await client.is_open()
            made.tick(1)
            assert (await client.answer()).status == 408

    run(scenario())


def test_a_slow_body_cuts_an_answer_that_was_begun(run: Run) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.send(UPLOAD)
            await client.until(b"1\r\nx\r\n")
            await made.turn(lambda: made.protocols[0].deadline < float("inf"))
            made.tick(GRACE)
            assert await client.rest() == b""
            assert made.server.in_flight == 0

    run(scenario())


def test_the_time_of_an_application_that_does_not_read_does_not_count(run: Run) -> None:
    go = asyncio.Event()

    async def handler(request: Request) -> str:
        await go.wait()
        return str(len(await request.body()))

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            client = await made.connect()
            size = HIGH_WATER * 4
            await client.send(POST + b"Content-Length: %d\r\n\r\n" % size + b"x" * (HIGH_WATER + 1))
            await made.turn(lambda: bool(made.protocols and made.protocols[0]._held))
            made.tick(100_000)
            go.set()
            await client.send(b"x" * (size - HIGH_WATER - 1))
            assert (await client.answer()).body == str(size).encode()

    run(scenario())


def test_the_pace_is_kept_while_the_client_does_not_read_the_answer(run: Run) -> None:
    """Two tasks: one sends what is not read, one waits for the body. The clock goes on."""

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await send(START)

        async def pour() -> None:
            for _ in range(20):
                body = b"x" * HIGH_WATER
                await send({"type": "http.response.body", "body": body, "more_body": True})

        pouring = asyncio.ensure_future(pour())
        while (await receive())["type"] != "http.disconnect":
            pass
        await pouring

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.send(UPLOAD)
            await made.turn(lambda: bool(made.protocols and made.protocols[0].blocked))
            await client.exactly(20 * HIGH_WATER)  # all but the last chunk's framing
            await made.turn(lambda: not made.protocols[0].blocked)
            await made.turn(lambda: made.protocols[0].deadline <= made.now + GRACE)
            made.tick(GRACE)
            await made.turn(lambda: made.server.connections == 0)

    run(scenario())


def test_a_body_that_came_whole_has_no_pace(run: Run) -> None:
    gate = Gate()

    async def scenario() -> None:
        async def handler(request: Request) -> str:
            await request.body()
            return await gate(request)

        async with rig(handler, "handler") as made:
            client = await made.connect()
            await client.send(POST + b"Content-Length: 2\r\n\r\n")
            await begun(made)
            await client.send(b"xy")
            await made.turn(lambda: gate.begun == ["/"])
            made.tick(100_000)
            gate.open("/")
            assert (await client.answer()).status == 200

    run(scenario())


def test_each_request_has_its_own_grace(run: Run) -> None:
    async def scenario() -> None:
        async with rig(length, "handler") as made:
            client = await made.connect()
            for _ in range(2):
                await client.send(POST + b"Content-Length: 1\r\n\r\n")
                await made.turn(lambda: made.server.in_flight == 1)
                await made.turn(lambda: made.protocols[0].deadline < float("inf"))
                made.tick(GRACE - 1)
                await client.send(b"x")
                assert (await client.answer()).status == 200

    run(scenario())


def test_a_body_after_one_that_was_left_unread_has_a_pace_of_its_own(run: Run) -> None:
    async def handler(request: Request) -> str:
        async for _ in request:
            break
        return "enough"

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            client = await made.connect()
            await client.send(POST + b"Content-Length: 2\r\n\r\n")
            await waiting(made)
            made.tick(GRACE - 1)
            await client.send(b"x")
            assert (await client.answer()).status == 200
            await client.send(b"y")
            await client.send(POST + b"Content-Length: 2\r\n\r\n")
            await begun(made)
            await made.turn(lambda: made.protocols[0].deadline < float("inf"))
            made.tick(GRACE - 1)
            assert await client.is_open()
            made.tick(1)
            assert (await client.answer()).status == 408

    run(scenario())


def test_a_connection_that_ends_while_its_body_is_waited_for_leaves_no_cycle(run: Run) -> None:
    async def scenario() -> None:
        async with rig(length, "handler") as made:
            client = await made.connect()
            await client.send(UPLOAD)
            await waiting(made)
            protocol = made.protocols.pop()
            client.close()
            await made.turn(lambda: made.server.connections == 0)
            assert protocol._pace is None

    run(scenario())


# Requests at a time


def test_requests_above_the_concurrency_are_declined_and_the_connection_goes_on(run: Run) -> None:
    gate = Gate()

    async def scenario() -> None:
        async with rig(gate, "handler", concurrency=2) as made:
            first, second, third = [await made.connect() for _ in range(3)]
            await first.send(get("/1"))
            await second.send(get("/2"))
            await made.turn(lambda: gate.begun == ["/1", "/2"])
            answer = await third.get()
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            assert not answer.closes
            gate.open("/1")
            assert (await first.answer()).status == 200
            gate.open("/3")
            assert (await third.get(get("/3"))).body == b"/3"
            gate.open("/2")
            assert (await second.answer()).status == 200
            assert gate.begun == ["/1", "/2", "/3"]
            assert made.server.in_flight == 0

    run(scenario())


def test_a_body_of_a_declined_request_is_skipped(run: Run) -> None:
    gate = Gate()

    async def scenario() -> None:
        async with rig(gate, "handler", concurrency=1) as made:
            first, second = [await made.connect() for _ in range(2)]
            await first.send(get("/1"))
            await begun(made)
            body = b"x" * 200_000
            assert (await second.get(POST + b"Content-Length: 200000\r\n\r\n" + body)).status == 503
            gate.open("/1")
            assert (await first.answer()).status == 200
            gate.open("/2")
            assert (await second.get(get("/2"))).status == 200

    run(scenario())


def test_many_pipelined_requests_that_are_declined_are_no_recursion(run: Run) -> None:
    gate = Gate()

    async def scenario() -> None:
        async with rig(gate, "handler", concurrency=1) as made:
            first, second = [await made.connect() for _ in range(2)]
            await first.send(get("/1"))
            await begun(made)
            sending = asyncio.ensure_future(second.send(GET * 3000))
            for _ in range(3000):
                assert (await second.answer()).status == 503
            await sending

    run(scenario())


def test_a_head_is_declined_without_a_body_and_close_is_heeded(run: Run) -> None:
    gate = Gate()
    last = b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    async def scenario() -> None:
        async with rig(gate, "handler", concurrency=1) as made:
            first, second = [await made.connect() for _ in range(2)]
            await first.send(get("/1"))
            await begun(made)
            answer = await second.get(last)
            assert (answer.status, answer.closes) == (503, True)
            assert await second.rest() == b""

    run(scenario())


# Requests of one connection


def test_the_last_answer_of_a_connection_says_so(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello, keepalive_requests=3) as made:
            client = await made.connect()
            assert [(await client.get()).closes for _ in range(3)] == [False, False, True]
            assert await client.rest() == b""

    run(scenario())


def test_what_is_pipelined_after_the_last_does_not_destroy_its_answer(run: Run) -> None:
    async def scenario() -> None:
        async with rig(path, "handler", keepalive_requests=2) as made:
            client = await made.connect()
            await client.send(get("/1") + get("/2") + get("/3"))
            assert (await client.answer()).body == b"/1"
            await client.send(get("/4"))
            answer = await client.answer()
            assert (answer.body, answer.closes) == (b"/2", True)
            assert await client.rest() == b""

    run(scenario())


def test_a_websocket_above_the_concurrency_is_declined(run: Run) -> None:
    holds = asyncio.Event()

    async def app(scope: Message, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await holds.wait()
        await hello(scope, receive, send)

    async def scenario() -> None:
        async with rig(app, concurrency=1) as made:
            first, second = [await made.connect() for _ in range(2)]
            await first.send(GET)
            await begun(made)
            answer = await second.get(HANDSHAKE)
            assert (answer.status, answer.closes) == (503, True)
            assert await second.rest() == b""
            holds.set()
            assert (await first.answer()).status == 200

    run(scenario())
