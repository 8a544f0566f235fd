# ruff: noqa: ARG001 - an application takes what the protocol gives

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path as File
from typing import Any

import pytest
from tests.worker.conftest import Run
from tests.worker.rig import GET, Message, Rig, echo, hello, rig

from prefork import Request, Response
from prefork.http.forwarded import Trust
from prefork.settings.peers import Peers
from prefork.worker.access_lines import Combined
from prefork.worker.access_log import AccessLog
from prefork.worker.access_target import Path
from prefork.worker.application import Kind

pytestmark = pytest.mark.usefixtures("wire")

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
START = {"type": "http.response.start", "status": 201, "headers": []}


class Logged:
    """A rig with an access log."""

    def __init__(self, made: Rig, path: File) -> None:
        self._path = path
        self.access_log = AccessLog(Combined(), Path(str(path)))
        self.rig = made
        made.server.log_to(self.access_log)

    def lines(self) -> list[str]:
        """What was said so far, without client and time."""
        self.access_log.flush()
        return [line.partition("] ")[2] for line in self._path.read_text().splitlines()]


@pytest.fixture
def path(tmp_path: File) -> File:
    return tmp_path / "log"


@asynccontextmanager
async def logged(
    path: File, app: Callable[..., Awaitable[Any]], kind: Kind = "asgi", **limits: Any
) -> AsyncIterator[Logged]:
    async with rig(app, kind, **limits) as made:
        yield Logged(made, path)


async def forever(request: Request) -> str:
    await asyncio.Event().wait()
    return "never"


async def half(request: Request) -> Response:
    async def pieces() -> AsyncIterator[str]:
        yield "half"
        await asyncio.Event().wait()

    return Response(pieces(), 201)


async def late_failure(scope: Message, receive: Any, send: Any) -> None:
    await send(START)
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise RuntimeError("no more")


async def failing(request: Request) -> str:
    raise RuntimeError("no")


async def stream(request: Request) -> Response:
    async def pieces() -> AsyncIterator[str]:
        for _ in range(3):
            yield "12345"

    return Response(pieces(), 202)


async def parting(request: Request) -> Response:
    return Response("bye", headers={"Connection": "close"})


async def handler(request: Request) -> str:
    return "hello"


@pytest.mark.parametrize(
    ("interface", "sent", "line"),
    [
        ((hello, "asgi"), GET, '"GET / HTTP/1.1" 200 5 "-" "-"'),
        ((handler, "handler"), GET, '"GET / HTTP/1.1" 200 5 "-" "-"'),
        ((handler, "handler"), b"GET /a?b HTTP/1.0\r\n\r\n", '"GET /a?b HTTP/1.0" 200 5 "-" "-"'),
        ((hello, "asgi"), GET.replace(b"GET", b"HEAD"), '"HEAD / HTTP/1.1" 200 0 "-" "-"'),
        ((handler, "handler"), GET.replace(b"GET", b"HEAD"), '"HEAD / HTTP/1.1" 200 0 "-" "-"'),
        ((stream, "handler"), GET, '"GET / HTTP/1.1" 202 15 "-" "-"'),
        ((failing, "handler"), GET, '"GET / HTTP/1.1" 500 22 "-" "-"'),
        ((echo, "asgi"), POST + b"Content-Length: 3\r\n\r\nabc", '"POST / HTTP/1.1" 200 3 "-" "-"'),
        (
            (handler, "handler"),
            b"GET http://a/x HTTP/1.1\r\nHost: a\r\nReferer: r\r\nUser-Agent: u\r\n\r\n",
            '"GET http://a/x HTTP/1.1" 200 5 "r" "u"',
        ),
    ],
)
def test_a_request_has_one_line(
    run: Run, path: File, interface: tuple[Any, Kind], sent: bytes, line: str
) -> None:
    async def scenario() -> None:
        async with logged(path, *interface) as made:
            client = await made.rig.connect()
            await client.get(sent)
            assert made.lines() == [line]
            client.close()
            await made.rig.turn(lambda: made.rig.server.connections == 0)
            assert made.lines() == [line]

    run(scenario())


def test_the_client_is_named_but_over_a_unix_socket(run: Run, path: File) -> None:
    async def scenario() -> None:
        async with logged(path, hello) as made:
            for family in (socket.AF_INET, socket.AF_UNIX):
                await (await made.rig.connect(family)).get()
            made.access_log.flush()

    run(scenario())
    assert [line.split()[0] for line in path.read_text().splitlines()] == ["127.0.0.1", "-"]


def test_pipelined_requests_have_a_line_each_in_order(run: Run, path: File) -> None:
    async def scenario() -> None:
        async with logged(path, handler, "handler") as made:
            client = await made.rig.connect()
            await client.send(b"".join(GET.replace(b"/ ", b"/%d " % n) for n in range(50)))
            for _ in range(50):
                await client.answer()
            assert [line.split()[1] for line in made.lines()] == [f"/{n}" for n in range(50)]

    run(scenario())


@pytest.mark.parametrize(
    ("sent", "request_line", "status"),
    [
        (b"nonsense\r\n\r\n", "-", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "GET / HTTP/1.1", 400),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nX: y\r\nbad\0: b\r\n\r\n", "GET /a HTTP/1.1", 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1", "-", 414),
        (GET[:-2] + b"X: " + b"x" * 20_000 + b"\r\n\r\n", "GET / HTTP/1.1", 431),
        (POST + b"Content-Length: 11\r\n\r\n", "POST / HTTP/1.1", 413),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nb\r\n12345678901", "POST / HTTP/1.1", 413),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "CONNECT a:1 HTTP/1.1", 501),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "GET / HTTP/2.0", 505),
    ],
)
def test_a_refused_request_has_one_line(
    run: Run, path: File, sent: bytes, request_line: str, status: int
) -> None:
    async def scenario() -> None:
        async with logged(path, hello, body=10) as made:
            client = await made.rig.connect()
            answer = await client.get(sent)
            assert await client.rest() == b""
            client.close()
            assert made.lines() == [f'"{request_line}" {status} {len(answer.body)} "-" "-"']

    run(scenario())


def test_a_body_that_is_broken_under_way_is_the_same_request(run: Run, path: File) -> None:
    async def scenario() -> None:
        async with logged(path, forever, "handler") as made:
            client = await made.rig.connect()
            await client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
            await made.rig.turn(lambda: made.rig.server.in_flight == 1)
            answer = await client.get(b"nonsense\r\n")
            assert made.lines() == [f'"POST / HTTP/1.1" 400 {len(answer.body)} "-" "-"']

    run(scenario())


def test_what_follows_an_answer_to_a_broken_body_is_no_second_request(run: Run, path: File) -> None:
    async def scenario() -> None:
        async with logged(path, hello) as made:
            client = await made.rig.connect()
            await client.get(POST + b"Transfer-Encoding: chunked\r\n\r\n")
            await client.send(b"nonsense\r\n")
            await client.rest()
            assert made.lines() == ['"POST / HTTP/1.1" 200 5 "-" "-"']

    run(scenario())


def test_a_head_that_comes_too_late_has_a_line(run: Run, path: File) -> None:
    async def scenario() -> None:
        async with logged(path, hello, header_timeout=1) as made:
            for sent in (b"GET /", GET[:-2] + b"X: y\r\n"):
                client = await made.rig.connect()
                await client.send(sent)
                await made.rig.turn(lambda: made.rig.protocols[-1].connection.in_head)
                made.rig.tick(2)
                assert (await client.answer()).status == 408
            idle = await made.rig.connect()
            made.rig.tick(2)
            assert await idle.rest() == b""
            assert [line[:-11] for line in made.lines()] == ['"-" 408', '"GET / HTTP/1.1" 408']

    run(scenario())


@pytest.mark.parametrize(
    ("app", "begun", "line"),
    [
        (forever, b"", '"GET / HTTP/1.1" 499 0 "-" "-"'),
        (half, b"half", '"GET / HTTP/1.1" 201 4 "-" "-"'),
    ],
)
def test_a_client_that_leaves_before_the_end_has_a_line(
    run: Run, path: File, app: Any, begun: bytes, line: str
) -> None:
    async def scenario() -> None:
        async with logged(path, app, "handler") as made:
            client = await made.rig.connect()
            await client.send(GET)
            await made.rig.turn(lambda: made.rig.server.in_flight == 1)
            if begun:
                await client.until(begun)
            client.close()
            await made.rig.turn(lambda: made.rig.server.connections == 0)
            assert made.lines() == [line]

    run(scenario())


def test_requests_whose_turn_never_came_have_a_line_each(run: Run, path: File) -> None:
    async def scenario() -> None:
        async with logged(path, parting, "handler") as made:
            client = await made.rig.connect()
            await client.send(GET * 3)
            assert (await client.answer()).closes
            await client.rest()
            client.close()
            await made.rig.turn(lambda: made.rig.server.connections == 0)
            lost = '"GET / HTTP/1.1" 499 0 "-" "-"'
            assert made.lines() == ['"GET / HTTP/1.1" 200 3 "-" "-"', lost, lost]

    run(scenario())


def test_an_application_that_fails_under_way_has_the_status_it_sent(run: Run, path: File) -> None:
    async def scenario() -> None:
        async with logged(path, late_failure) as made:
            client = await made.rig.connect()
            await client.send(GET)
            await client.rest()
            assert made.lines() == ['"GET / HTTP/1.1" 201 4 "-" "-"']

    run(scenario())


@pytest.mark.parametrize("app", [forever, half])
def test_what_the_deadline_cuts_has_a_line_each(run: Run, path: File, app: Any) -> None:
    async def scenario() -> None:
        async with logged(path, app, "handler") as made:
            client = await made.rig.connect()
            await client.send(GET * 3)
            await made.rig.turn(lambda: made.rig.server.in_flight == 1)
            if app is half:
                await client.until(b"half")
            made.rig.server.start_drain()
            assert made.rig.server.cut() == 3
            await made.rig.server.drained
            first = '201 4 "-" "-"' if app is half else '503 23 "-" "-"'
            waiting = '"GET / HTTP/1.1" 503 0 "-" "-"'
            assert made.lines() == [f'"GET / HTTP/1.1" {first}', waiting, waiting]

    run(scenario())


def test_without_an_access_log_no_connection_knows_of_it(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            await (await made.connect()).get()
            assert type(made.protocols[0]).__name__ == "HttpProtocol"

    run(scenario())


def test_a_request_is_told_of_with_the_client_that_a_trusted_proxy_says(
    run: Run, path: File
) -> None:
    async def scenario() -> None:
        async with logged(path, forever, "handler") as made:
            made.rig.server.trust(Trust(Peers(["unix"]), "x-forwarded"))
            for number in (0, 1, 2):
                client = await made.rig.connect()
                value = b"X-Forwarded-For: 192.0.2.%d\r\n" % number if number else b""
                # One of the third is pipelined, and its turn never comes.
                await client.send((GET[:-2] + value + b"\r\n") * max(1, number))
            await made.rig.turn(lambda: made.rig.server.in_flight == 3)
        made.access_log.flush()

    run(scenario())
    told = sorted(line.split()[0] for line in path.read_text().splitlines())
    assert told == ["-", "192.0.2.1", "192.0.2.2", "192.0.2.2"]
