# ruff: noqa: ARG001 - a handler takes what the protocol gives

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.worker.conftest import Run
from tests.worker.rig import GET, Answer, Rig, rig

import prefork
from prefork import Request, Response
from prefork.http.forwarded import Trust
from prefork.settings.peers import Peers

pytestmark = pytest.mark.usefixtures("wire")

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


async def pieces(*texts: str) -> AsyncIterator[str]:
    for text in texts:
        yield text


@pytest.mark.parametrize(
    ("returned", "status", "content_type", "body"),
    [
        ("hällo", 200, "text/plain; charset=utf-8", "hällo".encode()),
        (b"\0\1", 200, "application/octet-stream", b"\0\1"),
        ({"a": [1, None]}, 200, "application/json", b'{"a":[1,null]}'),
        ((404, "no such thing"), 404, "text/plain; charset=utf-8", b"no such thing"),
        ((201, {"id": 1}), 201, "application/json", b'{"id":1}'),
        (Response("x", 202), 202, "text/plain; charset=utf-8", b"x"),
        (Response(b"x", headers={"Content-Type": "a/b"}), 200, "a/b", b"x"),
        (Response({"a": 1}, headers=[(b"x", "y")]), 200, "application/json", b'{"a":1}'),
        (Response(), 200, "application/octet-stream", b""),
    ],
)
def test_what_a_handler_may_return(
    run: Run, returned: Any, status: int, content_type: str, body: bytes
) -> None:
    async def handler(request: Request) -> Any:
        return returned

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            client = await made.connect()
            for _ in range(2):
                answer = await client.get()
                assert (answer.status, answer.body) == (status, body)
                assert answer.headers["content-type"] == content_type
            head = await client.get(GET.replace(b"GET", b"HEAD"))
            assert (head.status, head.body) == (status, b"")
            assert await client.is_open()

    run(scenario())


@pytest.mark.parametrize(
    "returned", [None, 5, ("200", "x"), (200, "x", {}), [1], (200, None), object()]
)
def test_what_a_handler_may_not_return(
    run: Run, capfd: pytest.CaptureFixture[str], returned: Any
) -> None:
    async def handler(request: Request) -> Any:
        return returned

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            assert (await (await made.connect()).get()).status == 500

    run(scenario())
    assert capfd.readouterr().err.count("request_failed") == 1


def test_a_body_may_be_an_async_iterator(run: Run) -> None:
    async def handler(request: Request) -> Response:
        return Response(pieces("a", "", "bc"), headers={"X": "y"})

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            client = await made.connect()
            answer = await client.get()
            assert (answer.body, answer.headers["x"]) == (b"abc", "y")
            assert "chunked" in answer.headers["transfer-encoding"]
            assert (await client.get()).body == b"abc"

    run(scenario())


def test_an_iterator_may_promise_its_length(run: Run) -> None:
    async def handler(request: Request) -> Response:
        return Response(pieces("a", "bc"), headers={"content-length": "3"})

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            client = await made.connect()
            assert (await client.get()).body == b"abc"
            assert (await client.get()).headers["content-length"] == "3"

    run(scenario())


def test_an_iterator_is_closed_when_its_client_leaves(run: Run) -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 1000
        finally:
            closed.set()

    async def handler(request: Request) -> Response:
        return Response(endless())

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            client = await made.connect()
            await client.send(GET)
            await client.until(b"xxx")
            client.close()
            async with asyncio.timeout(5):
                await closed.wait()

    run(scenario())


# The request


async def asked(made: Rig, data: bytes) -> Answer:
    return await (await made.connect(socket.AF_INET)).get(data)


def test_a_request_tells_what_was_asked(run: Run) -> None:
    async def handler(request: Request) -> dict[str, Any]:
        assert isinstance(request, Request)
        assert request.client is not None
        request.state["own"] = 1
        return {
            "method": request.method,
            "path": request.path,
            "raw_path": request.raw_path.decode(),
            "query": request.query,
            "query_string": request.query_string.decode(),
            "headers": dict(request.headers),
            "host": request.headers["HOST"],
            "none": request.headers.get("absent"),
            "count": len(request.headers),
            "client": request.client[0],
            "state": request.state,
            "version": request.version,
        }

    async def scenario() -> None:
        async with rig(handler, "handler", state={"shared": 1}) as made:
            data = b"GET /a%20b?x=1&x=%C3%A4&y HTTP/1.1\r\nHost: h\r\nX: 1\r\nx: 2\r\n\r\n"
            assert json.loads((await asked(made, data)).body) == {
                "method": "GET",
                "path": "/a b",
                "raw_path": "/a%20b",
                "query": {"x": "ä", "y": ""},
                "query_string": "x=1&x=%C3%A4&y",
                "headers": {"host": "h", "x": "1, 2"},
                "host": "h",
                "none": None,
                "count": 2,
                "client": "127.0.0.1",
                "state": {"shared": 1, "own": 1},
                "version": "1.1",
            }

    run(scenario())


def test_the_body_can_be_had_whole_and_twice(run: Run) -> None:
    async def handler(request: Request) -> bytes:
        return await request.body() + await request.body()

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            assert (await asked(made, GET)).body == b""
            data = POST + b"Content-Length: 2\r\n\r\nab"
            assert (await asked(made, data)).body == b"abab"

    run(scenario())


def test_the_body_can_be_had_in_pieces(run: Run) -> None:
    async def handler(request: Request) -> str:
        return "|".join([piece.decode() async for piece in request])

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            client = await made.connect()
            await client.send(POST + b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n")
            assert (await client.answer()).status == 100
            await client.send(b"ab")
            await made.turn(lambda: made.protocols[0].connection.ready is not None)
            await client.send(b"cd")
            assert (await client.answer()).body.replace(b"|", b"") == b"abcd"

    run(scenario())


def test_the_body_can_be_had_as_json(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    async def handler(request: Request) -> dict[str, Any]:
        return {"got": await request.json()}

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            data = POST + b'Content-Length: 7\r\n\r\n{"a":1}'
            assert (await asked(made, data)).body == b'{"got":{"a":1}}'
            answer = await asked(made, POST + b"Content-Length: 1\r\n\r\n{")
            assert answer.status == 400
            assert answer.body.startswith(b"the body is no JSON: ")

    run(scenario())
    assert capfd.readouterr().err == ""


def test_a_body_that_is_not_read_is_skipped(run: Run) -> None:
    async def handler(request: Request) -> str:
        return request.path

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            client = await made.connect()
            await client.send(b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
            assert (await client.answer()).body == b"/1"
            assert (await client.get(b"cde" + GET)).body == b"/"

    run(scenario())


# What goes wrong


def test_a_bug_is_a_500_with_the_handlers_own_traceback(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    async def handler(request: Request) -> str:
        raise ZeroDivisionError("a bug")

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            client = await made.connect()
            assert (await client.get()).status == 500
            assert (await client.get()).status == 500

    run(scenario())
    log = capfd.readouterr().err
    assert log.count("request_failed") == 2
    assert log.count('File "') == 2


def test_a_bug_in_a_stream_cuts_the_answer(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    async def broken() -> AsyncIterator[str]:
        yield "abc"
        raise ZeroDivisionError("a bug")

    async def handler(request: Request) -> Response:
        return Response(broken())

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            client = await made.connect()
            await client.send(GET)
            assert (await client.rest()).endswith(b"3\r\nabc\r\n")

    run(scenario())
    assert capfd.readouterr().err.count("ZeroDivisionError: a bug") >= 1


@pytest.mark.parametrize(
    "response",
    [
        Response("x", headers={"a b": "c"}),
        Response("x", headers={"a": "b\r\nc: d"}),
        Response("x", headers={"content-length": "2"}),
        Response("x", 99),
        Response("x", 204),
        Response(pieces("x", "y"), headers={"content-length": "1"}),
    ],
)
def test_an_answer_that_breaks_the_stream_is_not_sent(
    run: Run, capfd: pytest.CaptureFixture[str], response: Response
) -> None:
    async def handler(request: Request) -> Response:
        return response

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            client = await made.connect()
            await client.send(GET)
            seen = await client.until(b"\r\n\r\n")
            assert b" 500 " in seen or b"content-length: 1" in seen

    run(scenario())
    assert capfd.readouterr().err.count("FramingError") >= 1


def test_the_task_of_a_client_that_left_is_cancelled(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    events: list[str] = []

    async def handler(request: Request) -> str:
        events.append("begun")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            events.append("cancelled")
        return "never"

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            client = await made.connect()
            await client.send(GET)
            await made.turn(lambda: events == ["begun"])
            client.close()
            await made.turn(lambda: events == ["begun", "cancelled"])

    run(scenario())
    assert capfd.readouterr().err == ""


def test_a_handler_that_does_not_let_itself_be_cancelled_harms_nobody(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    events: list[str] = []

    async def handler(request: Request) -> Response | str:
        events.append("begun")
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            events.append("going on")
        return "nobody reads this" if request.path == "/" else Response(pieces("nor", "this"))

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            for path in (b"/", b"/stream"):
                client = await made.connect()
                await client.send(GET.replace(b"/", path, 1))
                await made.turn(lambda: events[-1:] == ["begun"])
                client.close()
                await made.turn(lambda: events[-1:] == ["going on"])
            await made.turn(lambda: made.server.connections == 0)

    run(scenario())
    assert capfd.readouterr().err == ""


def test_request_and_response_are_the_packages() -> None:
    assert prefork.Request is Request
    assert prefork.Response is Response
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        _ = prefork.Nonsense


def test_each_request_has_the_client_that_a_trusted_proxy_says_also_after_its_answer(
    run: Run, scheme: str
) -> None:
    seen: list[Request] = []

    async def handler(request: Request) -> str:
        seen.append(request)
        return repr((request.client, request.scheme))

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            made.server.trust(Trust(Peers(["unix"]), "forwarded"))
            client = await made.connect()
            for number in (1, 2):
                forwarded = b"Forwarded: for=192.0.2.%d;proto=https\r\n\r\n" % number
                answer = await client.get(GET[:-2] + forwarded)
                assert answer.body == b"(('192.0.2.%d', 0), 'https')" % number
            assert (await client.get()).body == repr((None, scheme)).encode()
            hosts = [request.client and request.client[0] for request in seen]
            assert hosts == ["192.0.2.1", "192.0.2.2", None]

    run(scenario())


def test_a_handler_whose_client_leaves_is_cancelled_once_and_can_clean_up(run: Run) -> None:
    done: list[str] = []

    async def handler(request: Request) -> str:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            done.append("cleaned up")
        return ""

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            client = await made.connect()
            await client.send(GET)
            await made.turn(lambda: made.server.in_flight == 1)
            client.close()
            await made.turn(lambda: bool(done))

    run(scenario())
