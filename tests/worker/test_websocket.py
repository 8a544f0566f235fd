"""What ASGI promises of a WebSocket."""

# ruff: noqa: ARG001 - an application takes what the protocol gives

import asyncio
import socket
from typing import Any

import pytest
from tests.http.frames import BINARY, CLOSE, TEXT, close, frame
from tests.worker.conftest import Run
from tests.worker.rig import GET, Message, Rig, rig
from tests.worker.talking import ACCEPT, Collector, asking, echo, talk

from prefork import Request
from prefork.http.errors import FramingError
from prefork.worker.websocket import Disconnected

pytestmark = pytest.mark.usefixtures("wire")

CLOSING = {"type": "websocket.close"}
DENIAL = {"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-y", b"z")]}
BODY = {"type": "websocket.http.response.body", "body": b"no entry"}
TEXTING = {"type": "websocket.send", "text": "a"}


def saying(*messages: Message) -> Any:
    """An application that sends these."""

    async def app(scope: Message, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return app


async def asked(made: Rig) -> tuple[int, bytes, bool]:
    """Status, body and whether the connection ends, of a handshake that is not accepted."""
    client = await made.connect()
    answer = await client.get(asking())
    assert await client.rest() == b""
    return answer.status, answer.body, answer.closes


def test_the_scope_is_complete(run: Run, scheme: str) -> None:
    collector = Collector()

    async def scenario() -> None:
        async with rig(collector, state={"a": 1}, root_path="/root") as made:
            offer = b"Sec-WebSocket-Protocol: x, y"
            talker = await talk(made, offer, path="/a%20b?c=%20", family=socket.AF_INET)
            scope = dict(collector.scope)
            assert scope.pop("client") == talker.client.sock.getsockname()
            assert scope.pop("server") == talker.client.sock.getpeername()
            assert scope.pop("headers")[-1] == (b"sec-websocket-protocol", b"x, y")
            assert scope == {
                "type": "websocket",
                "asgi": {"version": "3.0", "spec_version": "2.4"},
                "http_version": "1.1",
                "scheme": {"http": "ws", "https": "wss"}[scheme],
                "root_path": "/root",
                "path": "/root/a b",
                "raw_path": b"/root/a%20b",
                "query_string": b"c=%20",
                "subprotocols": ["x", "y"],
                "state": {"a": 1},
                "extensions": {"websocket.http.response": {}},
            }

    run(scenario())


def test_behind_tls_the_scheme_is_wss(run: Run) -> None:
    collector = Collector()

    async def scenario() -> None:
        async with rig(collector) as made:
            client = await made.connect()
            made.protocols[0].scheme = "https"
            await client.get(asking())
            assert collector.scope["scheme"] == "wss"

    run(scenario())


def test_messages_are_echoed_as_what_they_were(run: Run) -> None:
    async def scenario() -> None:
        async with rig(echo) as made:
            talker = await talk(made)
            await talker.say(frame(TEXT, b"abc"), frame(BINARY, b"\xff"), frame(TEXT, b""))
            assert [await talker.hear() for _ in range(3)] == [
                (TEXT, b"abc"),
                (BINARY, b"\xff"),
                (TEXT, b""),
            ]

    run(scenario())


def test_frames_that_come_with_the_handshake_are_heard(run: Run) -> None:
    async def scenario() -> None:
        async with rig(echo) as made:
            client = await made.connect()
            await client.send(asking() + frame(TEXT, b"early"))
            assert (await client.answer()).status == 101
            assert await client.exactly(7) == frame(TEXT, b"early", masked=False)

    run(scenario())


@pytest.mark.parametrize("at", [1, 60, -13, -12, -11, -10, -5, -1])  # the frame has 11
def test_a_handshake_and_its_frames_may_come_in_any_pieces(run: Run, at: int) -> None:
    async def scenario() -> None:
        async with rig(echo) as made:
            client = await made.connect()
            data = asking() + frame(TEXT, b"early")
            await client.send(data[:at])
            connection = made.protocols[0].connection
            await made.turn(lambda: connection.in_head or connection.ended)
            await client.send(data[at:])
            assert (await client.answer()).status == 101
            assert await client.exactly(7) == frame(TEXT, b"early", masked=False)

    run(scenario())


def test_a_handshake_waits_for_the_requests_before_it(run: Run) -> None:
    gate = asyncio.Event()
    begun: list[str] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        begun.append(scope["type"])
        if scope["type"] == "websocket":
            await echo(scope, receive, send)
            return
        await gate.wait()
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"first"})

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.send(GET + asking() + frame(TEXT, b"early"))
            await made.turn(lambda: begun == ["http"])
            assert await client.is_open()
            gate.set()
            assert (await client.answer()).body == b"first"
            assert (await client.answer()).status == 101
            assert await client.exactly(7) == frame(TEXT, b"early", masked=False)
            assert begun == ["http", "websocket"]

    run(scenario())


def test_a_handler_is_asked_by_an_ordinary_get(run: Run) -> None:
    async def handler(request: Request) -> str:
        return request.path

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            client = await made.connect()
            assert (await client.get(asking() + GET)).body == b"/ws"
            assert (await client.answer()).body == b"/"

    run(scenario())


@pytest.mark.parametrize(
    ("old", "new", "status", "telling"),
    [
        (b"Version: 13", b"Version: 8", 426, "13"),
        (b"Sec-WebSocket-Key: ", b"X: ", 400, None),
        (b"Sec-WebSocket-Version: 13", b"X: y", 400, None),
    ],
)
def test_a_handshake_that_is_wrong_is_refused(
    run: Run, old: bytes, new: bytes, status: int, telling: str | None
) -> None:
    async def scenario() -> None:
        async with rig(saying()) as made:
            client = await made.connect()
            answer = await client.get(asking().replace(old, new))
            assert (answer.status, answer.headers.get("sec-websocket-version")) == (status, telling)
            assert await client.rest() == b""

    run(scenario())


def test_the_application_chooses_subprotocol_and_headers(run: Run) -> None:
    accept = ACCEPT | {"subprotocol": "y", "headers": [(b"x-z", b"1")]}

    async def scenario() -> None:
        async with rig(saying(accept)) as made:
            talker = await talk(made, b"Sec-WebSocket-Protocol: x, y")
            assert talker.answer.headers["sec-websocket-protocol"] == "y"
            assert talker.answer.headers["x-z"] == "1"
            assert talker.answer.headers["date"].endswith(" GMT")

    run(scenario())


def test_a_close_before_the_acceptance_is_a_403(run: Run) -> None:
    async def scenario() -> None:
        async with rig(saying(CLOSING)) as made:
            assert await asked(made) == (403, b"", True)

    run(scenario())


def test_a_denial_is_an_answer_like_any_other(run: Run) -> None:
    async def scenario() -> None:
        async with rig(saying(DENIAL, BODY)) as made:
            assert await asked(made) == (401, b"no entry", True)
        async with rig(saying(DENIAL, BODY | {"more_body": True}, BODY)) as made:
            assert await asked(made) == (401, b"no entryno entry", True)

    run(scenario())


def test_after_a_denial_the_application_is_told_that_it_is_over(run: Run) -> None:
    told: list[Message] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await receive()
        await send(CLOSING)
        told.append(await receive())

    async def scenario() -> None:
        async with rig(app) as made:
            await asked(made)
            assert told == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}]

    run(scenario())


def test_the_clients_close_is_told_with_code_and_reason(run: Run) -> None:
    collector = Collector()

    async def scenario() -> None:
        async with rig(collector) as made:
            talker = await talk(made)
            await talker.say(close(4001, b"bye"))
            assert await talker.hear() == (CLOSE, b"\x0f\xa1bye")
            assert await talker.client.rest() == b""
            assert collector.disconnect == (4001, "bye")

    run(scenario())


def test_a_close_without_a_code_is_told_as_1005(run: Run) -> None:
    collector = Collector()

    async def scenario() -> None:
        async with rig(collector) as made:
            talker = await talk(made)
            await talker.say(close())
            await made.turn(lambda: collector.is_done)
            assert collector.disconnect == (1005, "")

    run(scenario())


def test_a_client_that_is_gone_without_a_close_is_told_as_1006(run: Run) -> None:
    collector = Collector()

    async def scenario() -> None:
        async with rig(collector) as made:
            talker = await talk(made)
            talker.client.close()
            await made.turn(lambda: collector.is_done)
            assert collector.disconnect == (1006, "")

    run(scenario())


def test_the_application_closes_with_a_code_of_its_own(run: Run) -> None:
    async def scenario() -> None:
        async with rig(saying(ACCEPT, CLOSING | {"code": 4000, "reason": "so"})) as made:
            talker = await talk(made)
            assert await talker.hear() == (CLOSE, b"\x0f\xa0so")

    run(scenario())


@pytest.mark.parametrize("messages", [(ACCEPT,), (ACCEPT, CLOSING), (ACCEPT, CLOSING, CLOSING)])
def test_an_application_that_returns_has_closed_normally(
    run: Run, messages: tuple[Message, ...]
) -> None:
    async def scenario() -> None:
        async with rig(saying(*messages)) as made:
            assert await (await talk(made)).closed() == 1000

    run(scenario())


def test_after_its_own_close_the_application_is_told_its_code(run: Run) -> None:
    told: list[Message] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await send(CLOSING | {"code": 4000})
        told.append(await receive())

    async def scenario() -> None:
        async with rig(app) as made:
            await talk(made)
            assert told == [{"type": "websocket.disconnect", "code": 4000, "reason": ""}]

    run(scenario())


def test_what_is_sent_to_a_client_that_is_gone_raises(run: Run) -> None:
    raised: list[OSError] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await echo(scope, receive, send)
        await send(CLOSING)  # of no use, and no error
        try:
            await send(TEXTING)
        except OSError as error:
            raised.append(error)
            raise

    async def scenario(capture: bool = False) -> None:
        async with rig(app) as made:
            talker = await talk(made)
            await talker.say(close(1000))
            await talker.client.rest()
            talker.client.close()
            await made.turn(lambda: made.server.connections == 0)

    run(scenario())
    assert [type(error) for error in raised] in ([Disconnected], [])


# What goes wrong


@pytest.mark.parametrize(
    "messages", [(), (DENIAL,), (TEXTING,), (ACCEPT | {"headers": [(b"", b"")]},)]
)
def test_an_application_that_fails_before_it_accepted_is_a_500(
    run: Run, capfd: pytest.CaptureFixture[str], messages: tuple[Message, ...]
) -> None:
    async def scenario() -> None:
        async with rig(saying(*messages)) as made:
            assert await asked(made) == (500, b"Internal Server Error\n", True)

    run(scenario())
    assert capfd.readouterr().err.count("request_failed") == 1


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (ACCEPT, "unexpected message 'websocket.accept' on an open WebSocket"),
        (BODY, "unexpected message 'websocket.http.response.body' on an open WebSocket"),
        ({"type": "websocket.send"}, "websocket.send has neither bytes nor text"),
        ({"type": "websocket.send", "bytes": 3}, "a body must be bytes, not int"),
        (CLOSING | {"code": 1005}, "close code 1005"),
        (CLOSING | {"code": 1000, "reason": "x" * 124}, "control frame too long"),
    ],
)
def test_what_breaks_the_rules_raises_and_closes_with_1011(
    run: Run, capfd: pytest.CaptureFixture[str], message: Message, reason: str
) -> None:
    async def scenario() -> None:
        async with rig(saying(ACCEPT, message)) as made:
            assert await (await talk(made)).closed() == 1011

    run(scenario())
    said = capfd.readouterr().err
    assert said.count("request_failed") == 1
    assert reason in said


def test_an_error_that_the_application_swallows_is_told_all_the_same(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        with pytest.raises(FramingError):
            await send(ACCEPT)

    async def scenario() -> None:
        async with rig(app) as made:
            assert await (await talk(made)).closed() == 1011

    run(scenario())
    assert "unexpected message" in capfd.readouterr().err


def test_what_is_sent_after_a_close_raises(run: Run) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        for message in (ACCEPT, CLOSING):
            await send(message)
        with pytest.raises(FramingError, match="after the WebSocket was closed or denied"):
            await send(TEXTING)

    async def scenario() -> None:
        async with rig(app) as made:
            assert await (await talk(made)).closed() == 1000

    run(scenario())


def test_an_application_that_raises_closes_with_1011_and_is_logged_once(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        await receive()
        await receive()
        raise RuntimeError("no more")

    async def scenario() -> None:
        async with rig(app) as made:
            talker = await talk(made)
            await talker.say(frame(TEXT, b"a"))
            assert await talker.closed() == 1011
            assert await talker.client.rest() == b""

    run(scenario())
    said = capfd.readouterr().err
    assert said.count("RuntimeError: no more") == 2  # the line, and the end of its traceback
    assert " error request_failed method=GET path=/ws " in said


def test_a_client_that_leaves_before_the_acceptance_is_told(run: Run) -> None:
    told: list[Message | str] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await receive()
        told.append(await receive())
        try:
            await send(ACCEPT)
        except OSError:
            told.append("OSError")

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.send(asking())
            await made.turn(lambda: made.server.in_flight == 1)
            client.close()
            await made.turn(lambda: made.server.connections == 0 and len(told) > 0)
            assert told[0] == {"type": "websocket.disconnect", "code": 1006, "reason": ""}

    run(scenario())


def test_two_tasks_may_send_and_receive_at_once(run: Run) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        receiving = asyncio.create_task(receive())
        await send(TEXTING)
        await send(await receiving | {"type": "websocket.send"})

    async def scenario() -> None:
        async with rig(app) as made:
            talker = await talk(made)
            assert await talker.hear() == (TEXT, b"a")
            await talker.say(frame(TEXT, b"b"))
            assert await talker.hear() == (TEXT, b"b")
            assert await talker.closed() == 1000

    run(scenario())


SAID = {"type": "websocket.send", "bytes": bytes(16384)}


@pytest.mark.parametrize("kind", ["sends", "receives", "catches"])
def test_an_application_that_goes_on_without_its_client_leaves_others_their_turn(
    run: Run, kind: str
) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        while True:
            try:
                await (receive() if kind == "receives" else send(SAID))
            except OSError:
                if kind == "sends":
                    raise

    async def scenario() -> None:
        async with rig(app) as made:
            talker = await talk(made)
            talker.client.close()
            await made.turn(lambda: made.server.drained.done() or made.server.connections == 0)

    run(scenario())
