"""WSGI: how an answer is framed, what is wrong with it, and who waits for whom."""

# ruff: noqa: ARG001, ARG005 - an application takes what the protocol gives

import socket
import sys
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from queue import SimpleQueue
from typing import Any

import pytest
from tests.worker.conftest import Run
from tests.worker.gateway import LENGTH_5, Environ, Start, answering, get, hello, post, reset
from tests.worker.rig import GET, PATIENCE, Rig, rig

from prefork.wire.board import Field


def logged(capfd: pytest.CaptureFixture[str]) -> str:
    return capfd.readouterr().err


# Its answer


def ask(run: Run, app: Any, request: bytes = GET) -> Any:
    """What the client gets, and whether the next request on that connection is answered."""
    got = []

    async def scenario() -> None:
        async with rig(app, "wsgi") as made:
            client = await made.connect()
            got.append(await client.get(request))
            if not got[0].closes:
                await client.get()

    run(scenario())
    return got[0]


def test_a_list_is_sent_whole_with_its_length(run: Run) -> None:
    def app(environ: Environ, start: Start) -> list[bytes]:
        start("201 Created", [("X-A", "b")])
        return [b"he", b"", b"llo"]

    answer = ask(run, app)
    assert (answer.status, answer.body, answer.headers["content-length"]) == (201, b"hello", "5")
    assert answer.headers["x-a"] == "b"


def test_a_generator_without_a_length_is_sent_in_chunks(run: Run) -> None:
    answer = ask(run, answering(b"", b"he", b"", b"llo"))
    assert (answer.body, answer.headers["transfer-encoding"]) == (b"hello", "chunked")


def test_a_generator_may_start_the_answer_before_its_first_piece(run: Run) -> None:
    assert ask(run, answering(b"hello", headers=LENGTH_5)).body == b"hello"


def test_an_empty_generator_is_an_empty_answer(run: Run) -> None:
    assert ask(run, answering()).headers["content-length"] == "0"


def test_head_has_the_length_and_no_body(run: Run) -> None:
    for app in (hello, answering(b"hel", b"lo", headers=LENGTH_5), answering(headers=LENGTH_5)):
        answer = ask(run, app, get("/", method="HEAD"))
        assert (answer.headers["content-length"], answer.body) == ("5", b"")


def test_head_of_an_answer_without_end_is_answered_and_closes_it(run: Run) -> None:
    closed = threading.Event()

    def app(environ: Environ, start: Start) -> Iterator[bytes]:
        start("200 OK", [])
        try:
            while True:
                yield b"on and on"
                assert environ["REQUEST_METHOD"] == "GET"
        finally:
            closed.set()

    async def scenario() -> None:
        async with rig(app, "wsgi") as made:
            client = await made.connect()
            assert (await client.get(get("/", method="HEAD"))).status == 200
            await made.turn(closed.is_set)

    run(scenario())


def test_an_answer_without_a_body_may_have_empty_pieces(run: Run) -> None:
    assert ask(run, answering(b"", status="204 No Content")).status == 204


def test_what_is_written_comes_before_what_is_returned(run: Run) -> None:
    def app(environ: Environ, start: Start) -> list[bytes]:
        write = start("200 OK", [])
        write(b"one ")
        write(b"two ")
        return [b"three"]

    assert ask(run, app).body == b"one two three"


def test_an_answer_may_be_replaced_until_its_first_byte(run: Run) -> None:
    def app(environ: Environ, start: Start) -> list[bytes]:
        start("200 OK", [("X-First", "1")])
        try:
            raise LookupError
        except LookupError:
            start("404 Not Found", [("X-Second", "2")], sys.exc_info())
        return [b"none"]

    answer = ask(run, app)
    assert (answer.status, answer.headers.get("x-first")) == (404, None)
    assert answer.headers["x-second"] == "2"


def test_an_empty_piece_is_not_yet_an_answer(run: Run) -> None:
    def app(environ: Environ, start: Start) -> Iterator[bytes]:
        start("200 OK", [])
        yield b""
        try:
            raise LookupError
        except LookupError:
            start("404 Not Found", [], sys.exc_info())
        yield b"none"

    assert ask(run, app).status == 404


def test_a_client_has_its_answer_before_the_generator_ends(run: Run) -> None:
    async def scenario() -> None:
        gate, closed = threading.Event(), threading.Event()

        class Pieces:
            def __iter__(self) -> Iterator[bytes]:
                yield b"hello"
                gate.wait(PATIENCE)

            def close(self) -> None:
                closed.set()

        def app(environ: Environ, start: Start) -> Pieces:
            start("200 OK", LENGTH_5)
            return Pieces()

        async with rig(app, "wsgi", threads=2) as made:
            client = await made.connect()
            assert [(await client.get()).body for _ in range(2)] == [b"hello"] * 2
            assert not closed.is_set()
            gate.set()
            await made.turn(closed.is_set)

    run(scenario())


# Its faults


def test_too_late_for_another_answer_what_was_wrong_is_raised(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    def app(environ: Environ, start: Start) -> Iterator[bytes]:
        start("200 OK", [("Content-Length", "10")])
        yield b"half."
        try:
            raise LookupError("the other half")
        except LookupError:
            start("500 Oh", [], sys.exc_info())

    async def scenario() -> None:
        async with rig(app, "wsgi") as made:
            client = await made.connect()
            await client.send(GET)
            assert (await client.rest()).endswith(b"half.")

    run(scenario())
    assert logged(capfd).count("LookupError: the other half") == 2  # the reason, and its traceback


FAULTS: list[tuple[Any, str]] = [
    (lambda environ, start: [b"hello"], "start_response was not called"),
    (lambda environ, start: None, "'NoneType' object is not iterable"),
    (lambda environ, start: start("200 OK", []) and ["text"], "expected a bytes-like object"),
    (answering("text"), "a body must be bytes, not str"),  # type: ignore[arg-type]
    (answering(b"hello", headers=[("Content-Length", "4")]), "longer than its content-length by 1"),
    (answering(headers=LENGTH_5), "shorter than its content-length by 5"),
    (answering(b"a", status="204 No Content"), "a body with status 204"),
    (answering(b"a", status="99 Low"), "99 is no status"),
    (answering(b"a", status="1000 High"), "1000 is no status"),
    (answering(b"a", status=200), "200 is no status; write it as"),  # type: ignore[arg-type]
    (answering(b"a", headers=[("a", "b\r\nc: d")]), "contains CR, LF or NUL"),
    (answering(b"a", headers=[("a\0", "b")]), "is no header name"),
    (answering(b"a", headers=[(b"a", "b")]), "headers must be pairs of str in latin-1"),
    (answering(b"a", headers=[("a", "\u20ac")]), "headers must be pairs of str in latin-1"),
    (answering(b"a", headers=["a"]), "headers must be pairs of str in latin-1"),
    (lambda environ, start: [start("200 OK", []), start("200 OK", [])], "started twice"),
    (lambda environ, start: sys.exit(3), "SystemExit: 3"),
    (lambda environ, start: (_ for _ in ()).throw(KeyboardInterrupt), "KeyboardInterrupt"),
    (lambda environ, start: (_ for _ in ()).throw(GeneratorExit), "GeneratorExit"),
]


@pytest.mark.parametrize(("app", "fault"), FAULTS, ids=[fault for _, fault in FAULTS])
def test_a_fault_before_the_first_byte_is_answered_500_and_logged_once(
    app: Any, fault: str, run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        async with rig(app, "wsgi") as made:
            client = await made.connect()
            for _ in range(2):
                assert (await client.get()).status == 500

    run(scenario())
    said = logged(capfd)
    assert said.count("request_failed") == 2
    assert fault in said


def test_the_traceback_is_the_applications_own(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    def app(environ: Environ, start: Start) -> None:
        raise OSError("no database")

    assert ask(run, app).status == 500
    said = logged(capfd)
    assert "test_wsgi.py" in said
    assert "prefork/worker" not in said
    assert "threading.py" not in said


def test_a_fault_after_the_last_byte_is_logged_and_costs_the_client_nothing(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    def app(environ: Environ, start: Start) -> Iterator[bytes]:
        start("200 OK", LENGTH_5)
        yield b"hello"
        raise OSError("afterwards")

    assert ask(run, app).body == b"hello"
    assert "OSError: afterwards" in logged(capfd)


def test_what_was_returned_is_closed_also_where_it_fails(run: Run) -> None:
    closed = SimpleQueue[bool]()

    class Pieces:
        def __iter__(self) -> Iterator[bytes]:
            raise OSError

        def close(self) -> None:
            closed.put(True)

    def app(environ: Environ, start: Start) -> Pieces:
        start("200 OK", [])
        return Pieces()

    assert ask(run, app).status == 500
    assert closed.get_nowait()


# Who waits for whom


def test_a_request_beyond_the_threads_waits_for_its_turn(run: Run) -> None:
    async def scenario() -> None:
        gate, entered = threading.Event(), SimpleQueue[str]()

        def app(environ: Environ, start: Start) -> list[bytes]:
            entered.put(environ["PATH_INFO"])
            gate.wait(PATIENCE)
            return hello(environ, start)

        async with rig(app, "wsgi", threads=2) as made:
            clients = [await made.connect() for _ in range(5)]
            for number, client in enumerate(clients):
                await client.send(get(f"/{number}"))
                await made.turn(lambda: made.server.in_flight == number + 1)  # noqa: B023
            await made.turn(lambda: entered.qsize() == 2)
            gate.set()
            assert {(await client.answer()).body for client in clients} == {b"hello"}
        order = [entered.get_nowait() for _ in range(5)]
        assert set(order[:2]) == {"/0", "/1"}
        assert sorted(order[2:]) == ["/2", "/3", "/4"]

    run(scenario())


def test_a_client_that_reads_nothing_stops_the_application(run: Run) -> None:
    async def scenario() -> None:
        asked, closed = SimpleQueue[None](), threading.Event()

        def app(environ: Environ, start: Start) -> Iterator[bytes]:
            start("200 OK", [])
            try:
                while True:
                    asked.put(None)
                    yield bytes(65536)
            finally:
                closed.set()

        async with rig(app, "wsgi") as made:
            client = await made.connect()
            await client.send(GET)
            await made.turn(lambda: made.protocols[0].blocked)
            before = -1
            while before != asked.qsize():  # until it has stopped
                before = asked.qsize()
                await client.is_open()
            assert before < 20
            await client.exactly(3_000_000)
            assert asked.qsize() > 40
            assert not closed.is_set()
            client.close()
            await made.turn(closed.is_set)

    run(scenario())


def test_a_request_whose_client_left_before_its_turn_is_not_begun(run: Run) -> None:
    async def scenario() -> None:
        gate, entered = threading.Event(), SimpleQueue[str]()

        def app(environ: Environ, start: Start) -> list[bytes]:
            entered.put(environ["PATH_INFO"])
            gate.wait(PATIENCE)
            return hello(environ, start)

        async with rig(app, "wsgi") as made:
            first, second = await made.connect(), await made.connect(socket.AF_INET)
            await first.send(get("/first"))
            await made.turn(lambda: not entered.empty())
            await second.send(get("/second"))
            await made.turn(lambda: made.server.in_flight == 2)
            reset(second)
            await made.turn(lambda: made.server.connections == 1)
            gate.set()
            assert (await first.answer()).body == b"hello"
            assert (await first.get(get("/third"))).body == b"hello"
        assert [entered.get_nowait() for _ in range(entered.qsize())] == ["/first", "/third"]

    run(scenario())


def test_a_drain_waits_for_a_thread_whose_client_has_left(run: Run) -> None:
    async def scenario() -> None:
        gate, entered = threading.Event(), threading.Event()

        def app(environ: Environ, start: Start) -> list[bytes]:
            entered.set()
            gate.wait(PATIENCE)
            return hello(environ, start)

        async with rig(app, "wsgi") as made:
            client = await made.connect(socket.AF_INET)
            await client.send(GET)
            await made.turn(entered.is_set)
            reset(client)
            await made.turn(lambda: made.server.connections == 0)
            made.server.start_drain()
            assert not made.server.drained.done()
            gate.set()
            await made.turn(made.server.drained.done)

    run(scenario())


def test_at_the_deadline_a_request_in_a_thread_is_cut_and_counted_once(run: Run) -> None:
    async def scenario() -> None:
        gate = threading.Event()

        def app(environ: Environ, start: Start) -> list[bytes]:
            gate.wait(PATIENCE)
            return hello(environ, start)

        async with rig(app, "wsgi") as made:
            client, reader = await made.connect(), await made.connect()
            await client.send(GET)
            await reader.send(post(b"half", announced=8))
            await made.turn(lambda: made.server.in_flight == 2)
            made.server.start_drain()
            assert made.server.cut() == 2
            assert b" 503 " in await client.rest()
            gate.set()

    run(scenario())


def test_variables_of_one_request_are_not_seen_by_the_next(run: Run) -> None:
    seen: ContextVar[str] = ContextVar("seen", default="nothing")

    def app(environ: Environ, start: Start) -> list[bytes]:
        before = seen.get()
        seen.set("something")
        start("200 OK", [])
        return [before.encode()]

    async def scenario() -> None:
        async with rig(app, "wsgi") as made:
            client = await made.connect()
            assert [(await client.get()).body for _ in range(2)] == [b"nothing"] * 2

    run(scenario())


def test_pipelined_requests_are_answered_in_order(run: Run) -> None:
    def app(environ: Environ, start: Start) -> list[bytes]:
        start("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    async def scenario() -> None:
        async with rig(app, "wsgi", threads=4) as made:
            client = await made.connect()
            await client.send(b"".join(get(f"/{number}") for number in range(50)))
            assert [(await client.answer()).body for _ in range(50)] == [
                f"/{number}".encode() for number in range(50)
            ]
            assert _counted(made) == 50

    run(scenario())


def _counted(made: Rig) -> int:
    made.server.publish()
    return made.board(Field.REQUESTS)
