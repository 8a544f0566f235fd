"""A request's time: what becomes of one that takes longer, on every interface."""

# ruff: noqa: ARG001 - an application takes what the protocol gives

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from tests.worker.conftest import Run
from tests.worker.gateway import Environ, Start
from tests.worker.rig import GET, PATIENCE, Message, Rig, echo, rig
from tests.worker.test_limits import HANDSHAKE, UPLOAD, arrived, begun
from tests.worker.test_protocol import START, Gate, get

from prefork import Request, Response, extend_timeout
from prefork.worker.overtime import HEEDING
from prefork.worker.pace import GRACE
from prefork.worker.service import COARSE

LIMIT = 10.0
OVER = LIMIT + COARSE  # after so long by the tick's clock the limit has surely passed


def logged(capfd: pytest.CaptureFixture[str]) -> str:
    return capfd.readouterr().err


async def deep() -> None:
    await asyncio.Event().wait()


async def waits_in(made: Rig, function: str) -> None:
    """Wait until the first connection's request is there."""
    cycle = made.protocols[0]._cycle
    assert cycle is not None
    await made.turn(lambda: f"in {function}\n" in cycle.where())


# Nothing of the answer was sent


class Blocked:
    """A WSGI application whose first request stays in its thread until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.left = threading.Event()

    def __call__(self, environ: Environ, start: Start) -> list[bytes]:
        if environ["PATH_INFO"] == "/":
            self.stay()
            self.left.set()
        start("200 OK", [])
        return [b"late"]

    def stay(self) -> None:
        self.go.wait(PATIENCE)


async def slow_handler(request: Request) -> str:
    if request.path == "/":
        await deep()
    return "late"


async def slow_asgi(scope: Message, receive: Any, send: Any) -> None:
    if scope["path"] == "/":
        await deep()
    await send(START)
    await send({"type": "http.response.body", "body": b"late"})


@pytest.mark.usefixtures("wire")
@pytest.mark.parametrize(("app", "kind"), [(slow_handler, "handler"), (slow_asgi, "asgi")])
def test_a_request_is_answered_by_504_when_its_time_is_over(
    run: Run, app: Any, kind: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        async with rig(app, kind, request_timeout=LIMIT) as made:
            client = await made.connect(socket.AF_INET)
            await client.send(GET)
            await begun(made)
            await waits_in(made, "deep")
            made.tick(LIMIT)
            assert await client.is_open()  # it may have begun just before the tick
            made.tick(COARSE)
            answer = await client.answer()
            assert (answer.status, answer.body) == (504, b"the answer took too long\n")
            assert not answer.closes
            assert made.server.in_flight == 0
            assert (await client.get(get("/next"))).body == b"late"

    run(scenario())
    told = logged(capfd)
    assert "error request_timed_out method=GET path=/ seconds=10" in told
    assert app.__name__ in told
    assert "in deep\n" in told  # down to what it awaited
    assert "await asyncio.Event().wait()" in told
    assert "request_goes_on" not in told
    assert "request_failed" not in told


def test_a_wsgi_thread_is_told_of_until_it_returns(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    app = Blocked()

    async def scenario() -> None:
        async with rig(app, "wsgi", threads=2, request_timeout=LIMIT) as made:
            client = await made.connect()
            await client.send(GET)
            await begun(made)
            await waits_in(made, "stay")
            cycle = made.protocols[0]._cycle
            made.tick(OVER)
            assert (await client.answer()).status == 504
            assert (await client.get(get("/next"))).body == b"late"  # the other thread's
            told = logged(capfd)
            assert "request_timed_out method=GET path=/ seconds=10" in told
            assert "self.go.wait(PATIENCE)" in told
            assert "request_goes_on" not in told
            made.tick(HEEDING)
            made.tick(HEEDING)
            told = logged(capfd)
            assert told.count("request_goes_on") == 1
            assert " threads_lost=1 threads=2" in told
            assert "in stay" in told
            app.go.set()
            assert await asyncio.to_thread(app.left.wait, PATIENCE)
            await made.turn(lambda: cycle is not None and not cycle.is_running)
            made.tick(1)
            told = logged(capfd)
            assert (
                "info request_ended_late method=GET path=/ seconds=1" in told
            )  # and what passed meanwhile
            assert "request_failed" not in told

    run(scenario())


def test_a_request_that_gets_no_thread_is_answered_in_time_and_never_called(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    app = Blocked()

    async def scenario() -> None:
        async with rig(app, "wsgi", threads=1, request_timeout=LIMIT) as made:
            first, second = await made.connect(), await made.connect()
            await first.send(GET)
            await begun(made)
            await waits_in(made, "stay")
            await second.send(get("/second"))
            await made.turn(lambda: made.server.in_flight == 2)
            waiting = made.protocols[1]._cycle
            made.tick(OVER)
            assert [(await each.answer()).status for each in (first, second)] == [504, 504]
            await made.turn(lambda: waiting is not None and not waiting.is_running)
            made.tick(HEEDING)
            told = logged(capfd)
            assert "request_goes_on method=GET path=/ " in told
            assert "request_goes_on method=GET path=/second" not in told
            assert "threads_lost=1 threads=1" in told
            app.go.set()
            assert (await second.get(get("/third"))).body == b"late"

    run(scenario())


def test_a_handshake_that_is_not_answered_gets_504(run: Run) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await deep()

    async def scenario() -> None:
        async with rig(app, request_timeout=LIMIT) as made:
            client = await made.connect()
            await client.send(HANDSHAKE)
            await begun(made)
            made.tick(OVER)
            answer = await client.answer()
            assert (answer.status, answer.closes) == (504, True)
            assert await client.rest() == b""

    run(scenario())


def test_a_websocket_has_no_limit_once_it_is_open(run: Run) -> None:
    async def app(scope: Message, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        extend_timeout(LIMIT)  # is of no use, and does no harm
        await deep()

    async def scenario() -> None:
        async with rig(app, request_timeout=LIMIT) as made:
            client = await made.connect()
            await client.send(HANDSHAKE)
            assert b" 101 " in await client.until(b"\r\n\r\n")
            made.tick(OVER)
            assert await client.is_open()
            assert len(made.members) == 1

    run(scenario())


# Something of it was sent


async def half(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"half"
        await deep()

    return Response(pieces())


@pytest.mark.usefixtures("wire")
def test_an_answer_that_was_begun_is_cut(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        async with rig(half, "handler", request_timeout=LIMIT) as made:
            client = await made.connect(socket.AF_INET)
            await client.send(GET)
            await client.until(b"4\r\nhalf\r\n")
            await waits_in(made, "deep")
            made.tick(OVER)
            assert await client.rest() == b""  # without the end of the last chunk
            assert made.server.in_flight == 0

    run(scenario())
    told = logged(capfd)
    assert "in pieces" in told  # the generator that is iterated over
    assert "await deep()" in told
    assert "request_failed" not in told


def test_an_answer_that_only_its_end_would_end_is_reset(run: Run) -> None:
    async def scenario() -> None:
        async with rig(half, "handler", request_timeout=LIMIT) as made:
            client = await made.connect(socket.AF_INET)
            await client.send(b"GET / HTTP/1.0\r\n\r\n")
            await client.until(b"half")
            made.tick(OVER)
            with pytest.raises(ConnectionResetError):
                await client.rest()

    run(scenario())


def test_a_wsgi_answer_that_was_begun_is_cut_and_its_application_ended(run: Run) -> None:
    go, closed = threading.Event(), threading.Event()

    def app(environ: Environ, start: Start) -> Iterator[bytes]:
        start("200 OK", [])
        try:
            yield b"half"
            go.wait(PATIENCE)
            yield b"half"
            raise AssertionError("it was not ended")
        finally:
            closed.set()

    async def scenario() -> None:
        async with rig(app, "wsgi", request_timeout=LIMIT) as made:
            client = await made.connect()
            await client.send(GET)
            await client.until(b"4\r\nhalf\r\n")
            made.tick(OVER)
            assert await client.rest() == b""
            go.set()
            assert await asyncio.to_thread(closed.wait, PATIENCE)

    run(scenario())


# What else may be waited for


def test_the_time_of_a_body_that_drips_counts(run: Run) -> None:
    async def scenario() -> None:
        async with rig(echo, request_timeout=2 * GRACE, body_rate=1) as made:
            client = await made.connect()
            await client.send(UPLOAD + b"x")
            await begun(made)
            for count in range(1, 11):
                await arrived(made, count)
                made.tick(1)
                await client.send(b"x")
            await arrived(made, 11)
            assert made.server.in_flight == 1
            made.tick(COARSE)
            assert made.server.in_flight == 0

    run(scenario())


def test_a_body_that_does_not_come_is_given_up_before_the_limit(run: Run) -> None:
    async def length(request: Request) -> str:
        return str(len(await request.body()))

    async def scenario() -> None:
        async with rig(length, "handler", request_timeout=GRACE + 2, body_rate=1) as made:
            client = await made.connect()
            await client.send(UPLOAD)
            await begun(made)
            await made.turn(lambda: made.protocols[0]._pace is not None)
            made.tick(GRACE)
            assert (await client.answer()).status == 408
        async with rig(length, "handler", request_timeout=GRACE - 2, body_rate=1) as made:
            client = await made.connect()
            await client.send(UPLOAD)
            await begun(made)
            made.tick(GRACE - 2 + COARSE)
            assert (await client.answer()).status == 504

    run(scenario())


async def flood(scope: Message, receive: Any, send: Any) -> None:
    await send(START)
    for _ in range(100):
        await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})


def blocked(made: Rig) -> Callable[[], bool]:
    return lambda: bool(made.protocols) and made.protocols[0]._taken_by < float("inf")


def test_a_client_that_does_not_read_is_cut_at_whichever_limit_comes_first(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario(request_timeout: float, send_timeout: float) -> None:
        async with rig(flood, request_timeout=request_timeout, send_timeout=send_timeout) as made:
            client = await made.connect(socket.AF_INET)
            await client.send(GET)
            await made.turn(blocked(made))
            made.tick(4)
            assert made.server.in_flight == 1
            made.tick(COARSE + 1)
            assert made.server.in_flight == 0

    run(scenario(request_timeout=5, send_timeout=100))
    assert "request_timed_out" in logged(capfd)
    run(scenario(request_timeout=100, send_timeout=5))
    assert "request_timed_out" not in logged(capfd)


def test_each_of_several_requests_sent_ahead_has_its_own_time(run: Run) -> None:
    gate = Gate()

    async def scenario() -> None:
        async with rig(gate, "handler", request_timeout=LIMIT) as made:
            client = await made.connect()
            await client.send(get("/1") + get("/2") + get("/3"))
            await made.turn(lambda: gate.begun == ["/1"])
            made.tick(LIMIT - 1)
            gate.open("/1")
            assert (await client.answer()).status == 200
            await made.turn(lambda: gate.begun == ["/1", "/2"])
            made.tick(LIMIT - 1)
            assert await client.is_open()
            made.tick(1 + COARSE)
            assert (await client.answer()).status == 504
            gate.open("/3")
            assert (await client.answer()).body == b"/3"

    run(scenario())


def test_who_did_not_read_an_earlier_answer_is_not_cut_for_a_request_after_it(run: Run) -> None:
    gate = Gate()

    async def handler(request: Request) -> Any:
        if request.method == "POST":
            gate.begun.append("POST")
            return await request.body()
        return bytes(1 << 24) if request.path == "/big" else await gate(request)

    async def scenario() -> None:
        async with rig(handler, "handler", request_timeout=LIMIT, send_timeout=2 * LIMIT) as made:
            client = await made.connect(socket.AF_INET)
            await client.send(get("/big") + get("/2") + UPLOAD)
            gate.open("/2")
            await made.turn(blocked(made))  # the second waits for room behind the first
            made.tick(OVER)
            await made.turn(lambda: gate.begun == ["/2", "POST"])
            await waits_in(made, "body")
            made.tick(LIMIT - COARSE)  # when the second would have been cut
            assert made.server.in_flight == 1

    run(scenario())


def test_an_idle_connection_and_one_without_a_limit_are_left_alone(run: Run) -> None:
    gate = Gate()

    async def scenario() -> None:
        async with rig(gate, "handler") as made:
            client = await made.connect()
            await client.send(get("/1"))
            await begun(made)
            made.tick(1e9)
            gate.open("/1")
            assert (await client.answer()).status == 200
        async with rig(gate, "handler", request_timeout=1, keepalive_timeout=75) as made:
            client = await made.connect()
            assert (await client.get(get("/1"))).status == 200
            made.tick(60)
            assert await client.is_open()

    run(scenario())


# Who asks for more


async def more_asgi(scope: Message, receive: Any, send: Any) -> None:
    extend_timeout(3 * LIMIT)
    extend_timeout(1)  # takes nothing away
    await deep()


async def more_handler(request: Request) -> None:
    await asyncio.to_thread(extend_timeout, 3 * LIMIT)  # a thread has its request's context
    await deep()


def more_wsgi(go: threading.Event) -> Any:
    def app(environ: Environ, start: Start) -> list[bytes]:
        extend_timeout(3 * LIMIT)
        go.wait(PATIENCE)
        return []

    return app


@pytest.mark.parametrize("kind", ["asgi", "handler", "wsgi"])
def test_an_application_may_ask_for_more_time(
    run: Run, kind: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    go = threading.Event()
    app = {"asgi": more_asgi, "handler": more_handler, "wsgi": more_wsgi(go)}[kind]

    async def scenario() -> None:
        async with rig(app, kind, request_timeout=LIMIT) as made:
            client = await made.connect()
            await client.send(GET)
            await begun(made)
            cycle = made.protocols[0]._cycle
            await made.turn(lambda: hasattr(cycle, "lent"))
            made.tick(OVER)
            made.tick(2 * LIMIT - COARSE)
            assert await client.is_open()
            made.tick(COARSE)
            assert (await client.answer()).status == 504
            go.set()

    run(scenario())
    assert "seconds=30" in logged(capfd)


def test_to_ask_for_more_time_elsewhere_does_nothing(run: Run) -> None:
    async def handler(request: Request) -> str:
        extend_timeout(5)
        return "fine"

    async def scenario() -> None:
        async with rig(handler, "handler") as made:
            client = await made.connect()
            assert (await client.get()).body == b"fine"

    extend_timeout(5)
    run(scenario())


# Who doesn't end


def test_a_task_that_ignores_its_cancellation_is_told_of_and_ends_with_the_drain(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    async def stubborn(request: Request) -> str:
        try:
            await deep()
        except asyncio.CancelledError:
            seen.append("asked")
        try:
            await deep()
        finally:
            seen.append("ended")
        return "too late"

    async def scenario() -> None:
        async with rig(stubborn, "handler", request_timeout=LIMIT) as made:
            client = await made.connect()
            await client.send(GET)
            await begun(made)
            made.tick(OVER)
            assert (await client.answer()).status == 504
            await made.turn(lambda: seen == ["asked"])
            made.tick(HEEDING - 0.1)
            assert "request_goes_on" not in logged(capfd)
            made.tick(0.1)
            made.tick(10)
            told = logged(capfd)
            assert told.count("request_goes_on method=GET path=/ seconds=11") == 1
            assert "threads" not in told
            assert "in stubborn" in told
            client.close()
            made.server.start_drain()
            await made.turn(lambda: made.server.connections == 0)
            assert not made.server.drained.done()  # the drain waits for it
            assert made.server.cut() == 1
            await asyncio.wait_for(made.server.drained, PATIENCE)
            assert seen == ["asked", "ended"]

    run(scenario())


def test_what_a_request_says_after_its_time_reaches_nobody(run: Run) -> None:
    ended = asyncio.Event()

    async def app(scope: Message, receive: Any, send: Any) -> None:
        with suppress(asyncio.CancelledError):
            await deep()
        if scope["path"] == "/":
            assert (await receive())["type"] == "http.disconnect"
            await send(START)
            await send({"type": "http.response.body", "body": b"stale"})
        ended.set()

    async def scenario() -> None:
        async with rig(app, request_timeout=LIMIT) as made:
            client = await made.connect()
            await client.send(GET)
            await begun(made)
            made.tick(OVER)
            assert (await client.answer()).status == 504
            await asyncio.wait_for(ended.wait(), PATIENCE)
            assert await client.is_open()

    run(scenario())


def test_a_late_answer_does_not_change_what_the_client_got(run: Run) -> None:
    async def stubborn(request: Request) -> Any:
        with suppress(asyncio.CancelledError):
            await deep()
        return {"/": "plain", "/response": Response("x")}[request.path]

    async def scenario(target: str) -> None:
        async with rig(stubborn, "handler", request_timeout=LIMIT) as made:
            client = await made.connect()
            await client.send(get(target))
            await begun(made)
            cycle = made.protocols[0]._cycle
            made.tick(OVER)
            assert (await client.answer()).status == 504
            await made.turn(lambda: cycle is not None and not cycle.is_running)
            assert cycle is not None
            assert (cycle.status, cycle.size) == (504, 25)  # as the access log tells it
            assert await client.is_open()

    run(scenario("/"))
    run(scenario("/response"))


def test_what_was_begun_after_the_loop_stood_still_has_its_whole_time(run: Run) -> None:
    """The tick that makes deadlines was late then, and comes before anything else has run."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await deep()

    async def scenario() -> None:
        async with rig(app, request_timeout=LIMIT) as made:
            client = await made.connect()
            await client.send(GET)
            await begun(made)
            made.now += LIMIT + 5  # and no tick meanwhile
            made.server.tick(made.now)
            assert made.protocols[0].deadline == pytest.approx(made.now + LIMIT + COARSE)
            made.tick(LIMIT + COARSE)
            assert (await client.answer()).status == 504

    run(scenario())
