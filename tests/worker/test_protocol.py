# ruff: noqa: ARG001 - an application takes what the protocol gives

import asyncio
import socket
from typing import Any

import pytest
from tests.worker.conftest import Run
from tests.worker.rig import GET, LIMITS, Message, echo, hello, rig

from prefork import Request, Response
from prefork.worker.flow import HIGH_WATER, LINGER, LINGER_BYTES

pytestmark = pytest.mark.usefixtures("wire")
START = {"type": "http.response.start", "status": 200, "headers": []}
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


async def path(request: Request) -> str:
    return request.path


def get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


class Gate:
    """A handler that waits, and tells who came."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._go: dict[str, asyncio.Event] = {}

    def _event(self, name: str) -> asyncio.Event:
        return self._go.setdefault(name, asyncio.Event())

    def open(self, name: str) -> None:
        self._event(name).set()

    async def __call__(self, request: Request) -> str:
        self.begun.append(request.path)
        await self._event(request.path).wait()
        return request.path


# One request after the other


def test_a_connection_is_kept_alive(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await made.connect()
            for _ in range(3):
                answer = await client.get()
                assert (answer.status, answer.body, answer.closes) == (200, b"hello", False)
            assert answer.headers["date"].endswith(" GMT")

    run(scenario())


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"],
)
def test_a_client_that_wants_it_closed_is_left(run: Run, data: bytes) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await made.connect()
            answer = await client.get(data)
            assert (answer.body, answer.closes) == (b"hello", True)
            assert await client.rest() == b""

    run(scenario())


def test_http_1_0_can_be_kept_alive(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await made.connect()
            for _ in range(2):
                answer = await client.get(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                assert answer.headers["connection"] == "keep-alive"

    run(scenario())


def test_pipelined_requests_are_answered_in_order(run: Run) -> None:
    gate = Gate()

    async def scenario() -> None:
        async with rig(gate, "handler") as made:
            client = await made.connect()
            await client.send(get("/1") + get("/2") + get("/3"))
            gate.open("/3")
            gate.open("/2")
            await made.turn(lambda: gate.begun == ["/1"])
            assert await client.is_open()
            gate.open("/1")
            assert [(await client.answer()).body for _ in range(3)] == [b"/1", b"/2", b"/3"]
            assert gate.begun == ["/1", "/2", "/3"]

    run(scenario())


def test_many_pipelined_requests_are_no_recursion(run: Run) -> None:
    async def scenario() -> None:
        async with rig(path, "handler") as made:
            client = await made.connect(socket.AF_INET)
            sending = asyncio.ensure_future(client.send(get("/x") * 5000))
            for _ in range(5000):
                assert (await client.answer()).body == b"/x"
            await sending

    run(scenario())


def test_an_upgrade_is_served_as_a_plain_request(run: Run) -> None:
    upgrade = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

    async def scenario() -> None:
        async with rig(path, "handler") as made:
            client = await made.connect()
            assert (await client.get(upgrade + GET)).body == b"/ws"
            assert (await client.answer()).body == b"/"

    run(scenario())


# What is refused


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (POST + b"Content-Length: 11\r\n\r\n", 413),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ],
)
def test_a_refused_request_is_answered_and_the_connection_ends(
    run: Run, data: bytes, status: int
) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        raise AssertionError("the application was called")

    async def scenario() -> None:
        async with rig(app, body=10) as made:
            client = await made.connect()
            answer = await client.get(data)
            assert (answer.status, answer.closes) == (status, True)
            assert await client.rest() == b""

    run(scenario())


def test_what_came_before_a_refused_request_is_answered_first(run: Run) -> None:
    gate = Gate()

    async def scenario() -> None:
        async with rig(gate, "handler") as made:
            client = await made.connect()
            await client.send(get("/1") + get("/2") + b"nonsense\r\n\r\n")
            await made.turn(lambda: gate.begun == ["/1"])
            gate.open("/1")
            gate.open("/2")
            assert [(await client.answer()).status for _ in range(3)] == [200, 200, 400]
            assert await client.rest() == b""

    run(scenario())


def test_a_body_that_breaks_is_a_400_while_nothing_was_answered(run: Run) -> None:
    messages: list[Message] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        messages.append(await receive())
        messages.append(await receive())
        await send(START)
        await send({"type": "http.response.body", "body": b"ignored"})

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
            await made.turn(lambda: len(messages) == 1)
            await client.send(b"x\r\n")
            assert (await client.answer()).status == 400
            assert await client.rest() == b""
            await made.turn(lambda: len(messages) == 2)
            assert messages[1] == {"type": "http.disconnect"}
            assert made.server.in_flight == 0

    run(scenario())


def test_a_body_that_breaks_cuts_an_answer_that_was_begun(run: Run) -> None:
    async def scenario() -> None:
        async with rig(echo) as made:
            client = await made.connect()
            await client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
            await client.until(b"1\r\na\r\n")
            await client.send(b"x\r\n")
            assert await client.rest() == b""
            await made.turn(lambda: made.server.connections == 0)
            assert made.server.in_flight == 0

    run(scenario())


def test_a_body_that_breaks_after_the_answer_ends_the_connection(run: Run) -> None:
    async def scenario() -> None:
        async with rig(path, "handler") as made:
            client = await made.connect()
            await client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
            assert (await client.answer()).status == 200
            await client.send(b"x\r\n")
            assert await client.rest() == b""

    run(scenario())


# Ending gently


def test_after_a_refusal_the_rest_is_read_so_that_nothing_is_reset(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello, body=10) as made:
            client = await made.connect(socket.AF_INET)
            await client.send(POST + b"Content-Length: 60000\r\n\r\n")
            assert (await client.answer()).status == 413
            assert await client.rest() == b""
            await client.send(b"x" * 30_000)
            await client.send(b"x" * 30_000)
            assert made.server.connections == 1
            client.close()
            await made.turn(lambda: made.server.connections == 0)

    run(scenario())


def test_lingering_ends_after_its_bytes(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await made.connect()
            assert (await client.get(b"nonsense\r\n\r\n")).status == 400
            await client.send(b"x" * (LINGER_BYTES + 1))
            await made.turn(lambda: made.server.connections == 0)

    run(scenario())


def test_lingering_ends_after_its_time(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await made.connect()
            assert (await client.get(b"nonsense\r\n\r\n")).status == 400
            made.tick(LINGER - 1)
            assert await client.rest() == b""
            assert made.server.connections == 1
            made.tick(1)
            await made.turn(lambda: made.server.connections == 0)

    run(scenario())


def test_a_client_that_reads_slowly_gets_more_time_to_read_the_end(run: Run) -> None:
    async def handler(request: Request) -> Response:
        return Response(b"x" * 5_000_000, headers={"connection": "close"})

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            client = await made.connect()
            await client.send(GET)
            await client.until(b"\r\n\r\n")
            made.tick(LINGER)
            for _ in range(5):
                await client.exactly(500_000)  # more than sockets hold
                made.tick(LIMITS.send_timeout)
            assert len(await client.rest()) == 2_500_000

    run(scenario())


def test_a_client_that_does_not_read_the_end_is_cut(run: Run) -> None:
    async def handler(request: Request) -> Response:
        return Response(b"x" * 5_000_000, headers={"connection": "close"})

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            client = await made.connect()
            await client.send(GET)
            await client.until(b"\r\n\r\n")
            made.tick(LINGER)
            made.tick(LIMITS.send_timeout)
            await made.turn(lambda: made.server.connections == 0)
            assert len(await client.rest()) < 5_000_000

    run(scenario())


# Timeouts


def test_a_silent_connection_is_closed_at_the_header_timeout(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await made.connect()
            made.tick(LIMITS.header_timeout - 1)
            assert await client.is_open()
            made.tick(1)
            assert await client.rest() == b""

    run(scenario())


def test_the_header_timeout_runs_from_the_accept(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await made.connect()
            made.tick(LIMITS.header_timeout - 1)
            await client.send(GET[:-2])
            await made.turn(lambda: made.protocols[0].connection.in_head)
            made.tick(1)
            assert (await client.answer()).status == 408
            assert await client.rest() == b""

    run(scenario())


def test_a_later_head_has_its_own_header_timeout(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await made.connect()
            await client.get()
            made.tick(LIMITS.keepalive_timeout - 1)
            await client.send(GET[:-2])
            await made.turn(lambda: made.protocols[0].connection.in_head)
            made.tick(LIMITS.header_timeout - 1)
            assert await client.is_open()
            made.tick(1)
            assert (await client.answer()).status == 408

    run(scenario())


def test_empty_lines_do_not_keep_a_connection(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await made.connect()
            await client.get()
            made.tick(LIMITS.keepalive_timeout - 1)
            await client.send(b"\r\n")
            assert await client.is_open()
            made.tick(1)
            assert await client.rest() == b""

    run(scenario())


def test_an_idle_connection_is_closed_at_the_keepalive_timeout(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await made.connect()
            made.tick(10)
            await client.get()
            made.tick(LIMITS.keepalive_timeout - 1)
            assert await client.is_open()
            made.tick(1)
            assert await client.rest() == b""

    run(scenario())


def test_a_request_that_is_being_answered_has_no_deadline(run: Run) -> None:
    gate = Gate()

    async def scenario() -> None:
        async with rig(gate, "handler") as made:
            client = await made.connect()
            await client.send(get("/1"))
            await made.turn(lambda: gate.begun == ["/1"])
            made.tick(100_000)
            gate.open("/1")
            assert (await client.answer()).status == 200

    run(scenario())


# Flow control


def test_a_client_that_does_not_read_makes_send_wait(run: Run) -> None:
    sent: list[int] = []
    piece = {"type": "http.response.body", "body": b"x" * HIGH_WATER, "more_body": True}

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await send(START)
        for number in range(100):
            await send(piece)
            sent.append(number)
        await send({"type": "http.response.body", "body": b""})

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.send(GET)
            await made.turn(lambda: bool(made.protocols and made.protocols[0].blocked))
            stuck = len(sent)
            assert stuck < 20
            for _ in range(10):
                await asyncio.sleep(0)
            assert len(sent) == stuck
            assert len((await client.answer()).body) == 100 * HIGH_WATER
            assert len(sent) == 100

    run(scenario())


async def pour(scope: Message, receive: Any, send: Any) -> None:
    """Send 100 pieces."""
    await send(START)
    for _ in range(100):
        body = b"x" * HIGH_WATER
        await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def test_a_client_that_takes_nothing_of_what_is_sent_is_cut(run: Run) -> None:
    async def scenario() -> None:
        async with rig(pour) as made:
            client = await made.connect()
            await client.send(GET)
            await made.turn(lambda: bool(made.protocols and made.protocols[0].blocked))
            made.tick(LIMITS.send_timeout - 1)
            assert made.server.in_flight == 1
            made.tick(1)
            assert made.server.in_flight == 0
            await made.turn(lambda: made.server.connections == 0)

    run(scenario())


def test_a_client_that_takes_little_of_what_is_sent_is_not_cut(run: Run) -> None:
    async def scenario() -> None:
        async with rig(pour) as made:
            client = await made.connect()
            await client.send(GET)
            for _ in range(5):
                await made.turn(lambda: made.protocols[0].blocked)
                await client.exactly(HIGH_WATER * 8)  # more than sockets hold
                made.tick(LIMITS.send_timeout - 1)
            await made.turn(lambda: made.protocols[0].blocked)
            assert made.server.in_flight == 1
            await client.exactly(HIGH_WATER * 59)
            assert b"x\r\n0\r\n\r\n" in await client.until(b"\r\n0\r\n\r\n")
            made.tick(LIMITS.send_timeout)
            assert await client.is_open()

    run(scenario())


def test_the_time_of_an_idle_connection_begins_when_its_answer_is_read(run: Run) -> None:
    async def handler(request: Request) -> bytes:
        return b"x" * 5_000_000

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            client = await made.connect()
            await client.send(GET)
            await client.until(b"\r\n\r\n")
            made.tick(LIMITS.keepalive_timeout)
            for _ in range(5):
                await client.exactly(500_000)
                made.tick(LIMITS.send_timeout)
            await client.exactly(2_500_000)
            assert (await client.get()).status == 200  # it is open

    run(scenario())


def test_a_sender_that_waits_is_woken_when_its_client_leaves(run: Run) -> None:
    done: list[bool] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await send(START)
        for _ in range(100):
            body = b"x" * HIGH_WATER
            await send({"type": "http.response.body", "body": body, "more_body": True})
        done.append(True)

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.send(GET)
            await made.turn(lambda: bool(made.protocols and made.protocols[0].blocked))
            client.close()
            await made.turn(lambda: done == [True])

    run(scenario())


def test_a_body_that_is_not_read_makes_the_client_wait(run: Run) -> None:
    go = asyncio.Event()
    size = 20_000_000

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await go.wait()
        received, more = 0, True
        while more:
            message = await receive()
            received += len(message["body"])
            more = message["more_body"]
        await send(START)
        await send({"type": "http.response.body", "body": str(received).encode()})

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            head = POST + b"Content-Length: %d\r\n\r\n" % size
            sending = asyncio.ensure_future(client.send(head + b"x" * size))
            await made.turn(lambda: bool(made.protocols and made.protocols[0]._held))
            for _ in range(100):
                await asyncio.sleep(0)
            assert not sending.done()
            go.set()
            assert (await client.answer()).body == str(size).encode()
            await sending

    run(scenario())


def test_a_large_body_that_nobody_reads_is_skipped(run: Run) -> None:
    size = 20_000_000

    async def scenario() -> None:
        async with rig(path, "handler") as made:
            client = await made.connect()
            head = POST + b"Content-Length: %d\r\n\r\n" % size
            await client.send(head + b"x" * size + get("/next"))
            assert (await client.answer()).body == b"/"
            assert (await client.answer()).body == b"/next"

    run(scenario())


def test_a_queue_of_requests_stops_the_reading(run: Run) -> None:
    gate = Gate()

    async def scenario() -> None:
        async with rig(gate, "handler") as made:
            client = await made.connect()
            await client.send(get("/1") + get("/2"))
            await made.turn(lambda: bool(made.protocols and made.protocols[0]._held))
            await client.send(get("/3"))
            for name in ("/1", "/2", "/3"):
                gate.open(name)
            assert [(await client.answer()).body for _ in range(3)] == [b"/1", b"/2", b"/3"]

    run(scenario())


def test_after_a_body_that_nobody_read_the_next_head_is_read_on(run: Run) -> None:
    body = b"x" * (HIGH_WATER + 1)

    async def scenario() -> None:
        async with rig(path, "handler") as made:
            client = await made.connect()
            await client.send(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body + GET[:9])
            assert (await client.answer()).status == 200
            assert (await client.get(GET[9:])).status == 200

    run(scenario())


def test_a_queued_request_that_will_stay_incomplete_is_a_disconnect(run: Run) -> None:
    messages: list[Message] = []
    go = asyncio.Event()

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await go.wait()
        messages.append(await receive())
        while messages[-1].get("more_body"):
            messages.append(await receive())
        await send(START)
        await send({"type": "http.response.body", "body": b"done"})

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.send(GET + POST + b"Content-Length: 9\r\n\r\nabc")
            await made.turn(lambda: made.server.in_flight == 1)
            client.shut()
            go.set()
            assert [(await client.answer()).body for _ in range(2)] == [b"done"] * 2
            assert await client.rest() == b""
            assert [message["type"] for message in messages] == [
                "http.request",
                "http.request",
                "http.disconnect",
            ]

    run(scenario())


def test_a_half_head_that_will_stay_half_is_left(run: Run) -> None:
    gate = Gate()

    async def app(scope: Message, receive: Any, send: Any) -> None:
        gate.begun.append(scope["path"])
        await receive()
        await receive()
        await hello(scope, receive, send)

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.send(GET + GET[:9])
            await made.turn(lambda: gate.begun == ["/"])
            client.shut()
            assert (await client.answer()).body == b"hello"
            assert await client.rest() == b""

    run(scenario())
