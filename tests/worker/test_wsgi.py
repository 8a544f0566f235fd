"""WSGI: what an application is told, how its answer is framed, and who waits for whom."""

# ruff: noqa: ARG001, ARG005 - an application takes what the protocol gives

import asyncio
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from queue import SimpleQueue
from typing import Any
from wsgiref.validate import validator

import pytest
from tests.worker.conftest import Run
from tests.worker.rig import GET, PATIENCE, Client, Rig, rig

from prefork.wire.board import Field

Start = Callable[..., Callable[[bytes], None]]
Environ = dict[str, Any]
LENGTH_5 = [("Content-Length", "5")]


def get(path: str, *fields: str, method: str = "GET") -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: a", *fields, "", "")).encode()


def post(body: bytes, *, announced: int | None = None) -> bytes:
    size = len(body) if announced is None else announced
    return get("/", f"Content-Length: {size}", method="POST") + body


def hello(environ: Environ, start: Start) -> list[bytes]:
    start("200 OK", [("Content-Type", "text/plain"), *LENGTH_5])
    return [b"hello"]


def answering(*pieces: bytes, status: str = "200 OK", headers: Any = ()) -> Any:
    """An application that yields these."""

    def app(environ: Environ, start: Start) -> Iterator[bytes]:
        start(status, list(headers))
        yield from pieces

    return app


def reset(client: Client) -> None:
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def logged(capfd: pytest.CaptureFixture[str]) -> str:
    return capfd.readouterr().err


# What it is told


def environ_for(run: Run, request: bytes, **options: Any) -> Environ:
    seen: Environ = {}

    def app(environ: Environ, start: Start) -> list[bytes]:
        seen.update(environ)
        return hello(environ, start)

    async def scenario() -> None:
        async with rig(app, "wsgi", **options) as made:
            assert (await (await made.connect(socket.AF_INET)).get(request)).status == 200

    run(scenario())
    return seen


def test_the_environ_is_that_of_pep_3333(run: Run) -> None:
    seen = environ_for(run, get("/a%20b?c=%20", "X-One: 1", "x-one: 2", "Content-Type: text/x"))
    assert seen.pop("SERVER_PORT").isdigit()
    assert seen.pop("REMOTE_PORT").isdigit()
    assert seen.pop("SERVER_SOFTWARE").startswith("prefork/")
    assert seen.pop("wsgi.input").read() == b""
    assert seen.pop("wsgi.errors") is sys.stderr
    assert seen == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b",
        "QUERY_STRING": "c=%20",
        "RAW_URI": "/a%20b?c=%20",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "text/x",
        "HTTP_HOST": "a",
        "HTTP_X_ONE": "1,2",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }


def test_it_is_multithreaded_where_there_are_threads(run: Run) -> None:
    assert environ_for(run, GET, threads=2)["wsgi.multithread"] is True


def test_wsgirefs_validator_finds_nothing_wrong(run: Run) -> None:
    def app(environ: Environ, start: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(5)
        start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    async def scenario() -> None:
        async with rig(validator(app), "wsgi") as made:
            client = await made.connect()
            assert (await client.get(post(b"hello"))).body == b"hello"

    run(scenario())


def test_a_path_that_is_no_utf_8_keeps_its_bytes(run: Run) -> None:
    assert environ_for(run, get("/%FF%C3%A4"))["PATH_INFO"] == "/\xff\xc3\xa4"


def test_the_root_path_is_the_script_name(run: Run) -> None:
    seen = environ_for(run, get("/shop"), root_path="/shop")
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/shop", "/shop")


def test_a_header_with_an_underscore_is_left_out(run: Run) -> None:
    for _ in range(2):  # the second time the names are known
        seen = environ_for(
            run, get("/", "X_User: forged", "X-User: true", "Content_Length: 9", "Content_Type: x")
        )
        assert seen["HTTP_X_USER"] == "true"
        assert "forged" not in seen.values()
        assert {key for key in seen if "CONTENT" in key} == set()


def test_no_number_of_header_names_takes_the_content_type_away(run: Run) -> None:
    async def scenario() -> None:
        seen: list[str | None] = []

        def app(environ: Environ, start: Start) -> list[bytes]:
            seen.append(environ.get("CONTENT_TYPE"))
            return hello(environ, start)

        async with rig(app, "wsgi") as made:
            client = await made.connect()
            for batch in range(12):
                names = [f"X-{batch}-{number}: 1" for number in range(100)]
                await client.get(get("/", *names, "Content-Type: text/x"))
        assert seen == ["text/x"] * 12

    run(scenario())


def test_several_cookies_are_joined_as_cookies_are(run: Run) -> None:
    assert environ_for(run, get("/", "Cookie: a=1", "Cookie: b=2"))["HTTP_COOKIE"] == "a=1; b=2"


def test_over_a_unix_socket_there_is_a_name_and_no_address(run: Run) -> None:
    async def scenario() -> None:
        def app(environ: Environ, start: Start) -> list[bytes]:
            told = {key: environ.get(key) for key in ("SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR")}
            start("200 OK", [])
            return [repr([*told.values(), "REMOTE_PORT" in environ]).encode()]

        async with rig(app, "wsgi") as made:
            body = (await (await made.connect()).get()).body
            assert body == b"['localhost', '80', '', False]"

    run(scenario())


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


@pytest.mark.parametrize(("app", "fault"), FAULTS, ids=lambda value: str(value)[:40])
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


# The request's body


def reading(read: Callable[[Any], Iterable[bytes]]) -> Any:
    def app(environ: Environ, start: Start) -> list[bytes]:
        pieces = list(read(environ["wsgi.input"]))
        start("200 OK", [])
        return [repr(pieces).encode()]

    return app


@pytest.mark.parametrize(
    ("read", "pieces"),
    [
        (lambda body: [body.read()], [b"first\nsecond\n\nrest"]),
        (lambda body: [body.read(3), body.read(5), body.read(-1)], [b"fir", b"st\nse", ...]),
        (
            lambda body: [body.readline(), body.readline(3), body.readline()],
            [b"first\n", b"sec", ...],
        ),
        (lambda body: body.readlines(), [b"first\n", b"second\n", b"\n", b"rest"]),
        (lambda body: body, [b"first\n", b"second\n", b"\n", b"rest"]),
        (lambda body: iter(lambda: body.readline(100), b""), [b"first\n", b"second\n", b"\n", ...]),
    ],
    ids=["read", "read some", "readline", "readlines", "iterate", "readline of at most"],
)
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_body_is_read_as_a_file_however_it_arrives(
    read: Any, pieces: list[Any], step: int, run: Run
) -> None:
    body = b"first\nsecond\n\nrest"

    async def scenario() -> None:
        async with rig(reading(read), "wsgi") as made:
            client = await made.connect()
            request = post(body)
            for start in range(0, len(request), step):
                await client.send(request[start : start + step])
                await made.turn(lambda: True)
            got = eval((await client.answer()).body)
            assert b"".join(got) == body[: len(b"".join(got))]
            assert [a for a, b in zip(got, pieces, strict=False) if b is not ...] == [
                b for b in pieces if b is not ...
            ]

    run(scenario())


def test_a_client_that_waits_is_told_to_send_its_body_when_it_is_read(run: Run) -> None:
    async def scenario() -> None:
        async with rig(reading(lambda body: [body.read()]), "wsgi") as made:
            client = await made.connect()
            await client.send(get("/", "Expect: 100-continue", "Content-Length: 5", method="POST"))
            assert (await client.answer()).status == 100
            await client.send(b"hello")
            assert (await client.answer()).body == b"[b'hello']"

    run(scenario())


def test_a_body_that_nobody_reads_stays_with_the_client(run: Run) -> None:
    async def scenario() -> None:
        gate = threading.Event()

        def app(environ: Environ, start: Start) -> list[bytes]:
            gate.wait(PATIENCE)
            return hello(environ, start)

        async with rig(app, "wsgi") as made:
            client = await made.connect(SO_SNDBUF=4096, SO_RCVBUF=4096)
            await client.send(post(b"", announced=100_000_000))
            taken = 0
            while await _takes(client):
                taken += 65536
            assert taken < 1_000_000
            gate.set()
            assert (await client.answer()).body == b"hello"

    run(scenario())


async def _takes(client: Client) -> bool:
    """Whether the server takes a block in a fifth of a second."""
    try:
        async with asyncio.timeout(0.2):
            await client.send(bytes(65536))
    except TimeoutError:
        return False
    return True


def test_a_body_whose_client_leaves_is_no_complete_one(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        seen = SimpleQueue[BaseException]()

        def app(environ: Environ, start: Start) -> list[bytes]:
            try:
                environ["wsgi.input"].read()
            except OSError as error:
                seen.put(error)
                raise
            return hello(environ, start)

        async with rig(app, "wsgi") as made:
            for leave in (Client.close, Client.shut):
                client = await made.connect()
                await client.send(post(b"half", announced=8))
                await made.turn(lambda: made.server.in_flight == 1)
                leave(client)
                await made.turn(lambda: not seen.empty())
                assert "before its body" in str(seen.get())
            assert b" 500 " in await client.rest()

    run(scenario())
    assert "request_failed" not in logged(capfd)  # it isn't the application's fault


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
