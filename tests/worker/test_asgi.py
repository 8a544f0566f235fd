# ruff: noqa: ARG001 - an application takes what the protocol gives

import asyncio
import contextvars
import socket
from typing import Any

import pytest
from tests.worker.conftest import Run
from tests.worker.rig import GET, Message, echo, hello, rig

from prefork.http.errors import FramingError
from prefork.http.forwarded import Trust
from prefork.settings.peers import Peers

pytestmark = pytest.mark.usefixtures("wire")

START = {"type": "http.response.start", "status": 200, "headers": []}
END = {"type": "http.response.body", "body": b""}
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


async def respond(send: Any, body: bytes = b"") -> None:
    await send(START)
    await send({"type": "http.response.body", "body": body})


def test_the_scope_is_complete(run: Run, scheme: str) -> None:
    scopes: list[Message] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await respond(send)

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect(socket.AF_INET)
            await client.get(b"GET /a%20b?c=%20 HTTP/1.1\r\nHost: x\r\nX-Y: z\r\n\r\n")
            scope = scopes[0]
            assert scope["client"] == client.sock.getsockname()
            assert scope["server"] == client.sock.getpeername()
            del scope["client"], scope["server"]
            assert scope == {
                "type": "http",
                "asgi": {"version": "3.0", "spec_version": "2.3"},
                "http_version": "1.1",
                "scheme": scheme,
                "root_path": "",
                "method": "GET",
                "path": "/a b",
                "raw_path": b"/a%20b",
                "query_string": b"c=%20",
                "headers": [(b"host", b"x"), (b"x-y", b"z")],
                "state": {},
            }

    run(scenario())


@pytest.mark.parametrize("target", ["/a%20b", "http://a/a%20b"])
def test_a_path_begins_with_the_root_path_that_the_proxy_took_away(run: Run, target: str) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        told = [scope[key] for key in ("root_path", "path", "raw_path")]
        await respond(send, repr(told).encode())

    async def scenario() -> None:
        async with rig(app, root_path="/shop") as made:
            client = await made.connect()
            answer = await client.get(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert answer.body == b"['/shop', '/shop/a b', b'/shop/a%20b']"

    run(scenario())


def test_over_a_unix_socket_there_is_no_client_address(run: Run) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await respond(send, repr((scope["client"], scope["server"])).encode())

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            assert (await client.get()).body == b"(None, None)"

    run(scenario())


def test_each_request_has_a_shallow_copy_of_the_state(run: Run) -> None:
    shared: list[int] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        scope["state"]["shared"].append(1)
        scope["state"]["own"] = scope["state"].get("own", 0) + 1
        await respond(send, str(scope["state"]["own"]).encode())

    async def scenario() -> None:
        async with rig(app, state={"shared": shared}) as made:
            client = await made.connect()
            assert (await client.get()).body == b"1"
            assert (await client.get()).body == b"1"
            assert shared == [1, 1]

    run(scenario())


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def test_context_variables_do_not_leak_into_the_next_request(run: Run) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        before = VARIABLE.get()
        VARIABLE.set("set")
        await respond(send, before.encode())

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.send(GET * 3)  # the next one begins inside the send() of the one before
            assert [(await client.answer()).body for _ in range(3)] == [b"unset"] * 3
            assert (await client.get()).body == b"unset"

    run(scenario())


def test_each_request_is_a_task_of_its_own(run: Run) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        task = asyncio.current_task()
        assert task in asyncio.all_tasks()
        assert task is not None
        await respond(send, task.get_name().encode())

    async def scenario() -> None:
        async with rig(app) as made:
            assert (await (await made.connect()).get()).body == b"request"

    run(scenario())


# The body


def test_a_body_comes_in_one_message_where_it_can(run: Run) -> None:
    messages: list[Message] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        messages.append(await receive())
        await respond(send)
        messages.append(await receive())

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.get(POST + b"Content-Length: 5\r\n\r\nhello")
            await made.turn(lambda: len(messages) == 2)
            assert messages == [
                {"type": "http.request", "body": b"hello", "more_body": False},
                {"type": "http.disconnect"},
            ]

    run(scenario())


def test_a_request_without_body_gets_one_empty_message(run: Run) -> None:
    messages: list[Message] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        messages.append(await receive())
        await respond(send)

    async def scenario() -> None:
        async with rig(app) as made:
            await (await made.connect()).get()
            assert messages == [{"type": "http.request", "body": b"", "more_body": False}]

    run(scenario())


def test_a_body_streams_both_ways(run: Run) -> None:
    async def scenario() -> None:
        async with rig(echo) as made:
            client = await made.connect()
            await client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
            await client.send(b"2\r\nab\r\n")
            assert await client.until(b"ab\r\n")
            await client.send(b"1\r\nc\r\n0\r\n\r\n")
            assert (await client.until(b"0\r\n\r\n")).startswith(b"1\r\nc\r\n")
            assert (await client.get()).status == 200

    run(scenario())


def test_five_megabytes_go_up_and_come_down(run: Run) -> None:
    body = bytes(range(256)) * 20_000

    async def scenario() -> None:
        async with rig(echo) as made:
            client = await made.connect(socket.AF_INET)
            head = POST + b"Content-Length: %d\r\n\r\n" % len(body)
            async with asyncio.TaskGroup() as group:
                group.create_task(client.send(head + body))
                answer = group.create_task(client.answer())
            assert answer.result().body == body

    run(scenario())


def test_a_client_that_waits_is_asked_when_the_application_reads(run: Run) -> None:
    go = asyncio.Event()

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await go.wait()
        await echo(scope, receive, send)

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.send(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            assert await client.is_open()
            go.set()
            assert (await client.answer()).status == 100
            await client.send(b"ab")
            answer = await client.answer()
            assert (answer.status, answer.body, answer.closes) == (200, b"ab", False)

    run(scenario())


def test_a_client_that_waits_and_is_not_asked_is_left(run: Run) -> None:
    async def scenario() -> None:
        async with rig(hello) as made:
            client = await made.connect()
            await client.send(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            answer = await client.answer()
            assert (answer.status, answer.closes) == (200, True)
            assert await client.rest() == b""

    run(scenario())


# The disconnect


def test_a_client_that_leaves_is_told_to_the_application(run: Run) -> None:
    messages: list[Message] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await receive()
        await send(START)
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        messages.append(await receive())
        messages.append(await receive())
        await send({"type": "http.response.body", "body": b"nobody reads this"})
        messages.append({"type": "done"})

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.send(GET)
            await client.until(b"x")
            client.close()
            await made.turn(lambda: len(messages) == 3)
            assert messages == [{"type": "http.disconnect"}] * 2 + [{"type": "done"}]

    run(scenario())


def test_a_client_that_leaves_in_its_body_is_told_too(run: Run) -> None:
    messages: list[Message] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        while not messages or messages[-1]["type"] != "http.disconnect":
            messages.append(await receive())

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.send(POST + b"Content-Length: 9\r\n\r\nabc")
            await made.turn(lambda: len(messages) == 1)
            client.close()
            await made.turn(lambda: len(messages) == 2)
            assert messages == [
                {"type": "http.request", "body": b"abc", "more_body": True},
                {"type": "http.disconnect"},
            ]

    run(scenario())


def test_a_client_that_only_shut_its_side_gets_its_answer(run: Run) -> None:
    async def scenario() -> None:
        async with rig(echo) as made:
            client = await made.connect()
            await client.send(POST + b"Content-Length: 2\r\n\r\nab" + GET)
            client.shut()
            assert (await client.answer()).body == b"ab"
            assert (await client.answer()).body == b""
            assert await client.rest() == b""

    run(scenario())


def test_two_tasks_may_wait_for_the_disconnect(run: Run) -> None:
    messages: list[Message] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await receive()
        async with asyncio.TaskGroup() as group:
            first = group.create_task(receive())
            second = group.create_task(receive())
            third = group.create_task(receive())
            await asyncio.sleep(0)
            third.cancel()
        messages.extend([first.result(), second.result()])

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.send(GET)
            await made.turn(lambda: made.server.in_flight == 1)
            client.close()
            await made.turn(lambda: len(messages) == 2)
            assert messages == [{"type": "http.disconnect"}] * 2

    run(scenario())


# What goes wrong in the application


async def raises(scope: Message, receive: Any, send: Any) -> None:
    raise ZeroDivisionError("a bug")


async def too_much(scope: Message, receive: Any, send: Any) -> None:
    await send({**START, "headers": [(b"content-length", b"3")]})
    await send({"type": "http.response.body", "body": b"abcd"})


async def too_little(scope: Message, receive: Any, send: Any) -> None:
    await send({**START, "headers": [(b"content-length", b"3")]})
    await send({"type": "http.response.body", "body": b"ab"})


async def splits(scope: Message, receive: Any, send: Any) -> None:
    await send({**START, "headers": [(b"x", b"a\r\nset-cookie: b")]})


async def says_nothing(scope: Message, receive: Any, send: Any) -> None:
    pass


async def only_starts(scope: Message, receive: Any, send: Any) -> None:
    await send(START)


async def misspells(scope: Message, receive: Any, send: Any) -> None:
    await send({"type": "http.respond"})


async def exits(scope: Message, receive: Any, send: Any) -> None:
    raise SystemExit(1)


async def cancels_itself(scope: Message, receive: Any, send: Any) -> None:
    raise asyncio.CancelledError


async def swallows(scope: Message, receive: Any, send: Any) -> None:
    try:
        await splits(scope, receive, send)
    except FramingError:
        return


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        (raises, "ZeroDivisionError: a bug"),
        (too_much, "longer than its content-length by 1"),
        (too_little, "shorter than its content-length by 1"),
        (splits, "contains CR, LF or NUL"),
        (says_nothing, "without completing its answer"),
        (only_starts, "without completing its answer"),
        (misspells, "unexpected message 'http.respond'"),
        (exits, "SystemExit: 1"),
        (cancels_itself, "CancelledError"),
        (swallows, "contains CR, LF or NUL"),
    ],
)
def test_what_the_application_does_wrong_is_a_500_and_one_line_in_the_log(
    run: Run, capfd: pytest.CaptureFixture[str], app: Any, reason: str
) -> None:
    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            assert (await client.get()).status == 500
            answer = await client.get()  # the connection goes on
            assert (answer.status, answer.body) == (500, b"Internal Server Error\n")

    run(scenario())
    log = capfd.readouterr().err
    assert log.count("request_failed") == 2
    assert reason in log


def test_the_log_shows_the_applications_own_traceback(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        async with rig(raises) as made:
            await (await made.connect()).get(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")

    run(scenario())
    log = capfd.readouterr().err
    assert "path=/x" in log
    assert log.count('File "') == 1
    assert ", in raises" in log


def test_an_answer_that_breaks_off_is_cut(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        raise ZeroDivisionError("a bug")

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.send(GET + GET)
            assert (await client.rest()).endswith(b"chunked\r\n\r\n3\r\nabc\r\n")

    run(scenario())
    assert capfd.readouterr().err.count("request_failed") == 1


def test_an_answer_of_no_length_that_breaks_off_is_reset(run: Run) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        raise ZeroDivisionError("a bug")

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect(socket.AF_INET)
            await client.send(b"GET / HTTP/1.0\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                await client.rest()

    run(scenario())


def test_a_bug_after_the_answer_is_logged_and_harms_nobody(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await respond(send)
        raise ZeroDivisionError("a bug")

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            assert [(await client.get()).status for _ in range(2)] == [200, 200]

    run(scenario())
    assert capfd.readouterr().err.count("request_failed") == 2


def test_a_late_send_does_not_get_into_the_next_answer(run: Run) -> None:
    late: list[str] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await respond(send, scope["path"].encode())
        try:
            await send(END)
        except FramingError as error:
            late.append(str(error))

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.send(GET.replace(b"/", b"/1", 1) + GET.replace(b"/", b"/2", 1))
            assert [(await client.answer()).body for _ in range(2)] == [b"/1", b"/2"]
            assert await client.is_open()
            assert late == ["a body after its end"] * 2

    run(scenario())


def test_what_runs_on_after_the_answer_is_waited_for(run: Run) -> None:
    go = asyncio.Event()
    done: list[str] = []

    async def app(scope: Message, receive: Any, send: Any) -> None:
        await respond(send)
        if scope["path"] == "/long":
            await go.wait()
            done.append("long")

    async def scenario() -> None:
        async with rig(app) as made:
            client = await made.connect()
            await client.get(GET.replace(b"/", b"/long", 1))
            await client.get()
            client.close()
            made.server.start_drain()
            await made.turn(lambda: made.server.connections == 0)
            assert not made.server.drained.done()
            go.set()
            await made.server.drained
            assert done == ["long"]

    run(scenario())


def test_the_client_and_the_scheme_are_what_a_trusted_proxy_says(run: Run, scheme: str) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await respond(send, repr((scope["client"], scope["scheme"])).encode())

    async def scenario() -> None:
        async with rig(app) as made:
            made.server.trust(Trust(Peers(["127.0.0.1"]), "x-forwarded"))
            client, stranger = await made.connect(socket.AF_INET), await made.connect()
            forwarded = GET[:-2] + b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\r\n"
            assert (await client.get(forwarded)).body == b"(('192.0.2.7', 0), 'https')"
            own = (client.sock.getsockname(), scheme)
            assert (await client.get()).body == repr(own).encode()
            assert (await stranger.get(forwarded)).body == repr((None, scheme)).encode()

    run(scenario())
