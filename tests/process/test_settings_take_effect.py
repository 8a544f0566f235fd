"""Settings that no other test shows at work, each with the real program."""

import json
import os
import select
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.support.asking import Caller, Reply, ask
from tests.support.program import Program

MOMENT = 300  # milliseconds in which what can be answered is
ROOT_PATH = "/shop"
ENVIRONMENT = """
import os

async def handler(request):
    return os.getenv(request.path[1:], "nothing")
"""
IMPORTED = """
import os
IMPORTED_IN = os.getpid()

async def handler(request):
    return f"{IMPORTED_IN} {os.getpid()}"
"""


@contextmanager
def callers(*programs: Program) -> Iterator[list[Caller]]:
    """A connection to each."""
    with ExitStack() as open_now:
        yield [
            open_now.enter_context(closing(Caller(each.port, number)))
            for number, each in enumerate(programs)
        ]


def is_readable(caller: Caller, milliseconds: int) -> bool:
    poll = select.poll()
    poll.register(caller.socket, select.POLLIN)
    return bool(poll.poll(milliseconds))


# The application


def through_proxy(program: Program, path: str) -> Reply:
    """Ask as a proxy does that offers the application below ROOT_PATH, and takes that away."""
    assert path.startswith(ROOT_PATH + "/"), f"the proxy has nothing at {path}"
    return ask(program.port, path.removeprefix(ROOT_PATH))


def path_of(url: str, program: Program) -> str:
    return url.removeprefix(f"http://127.0.0.1:{program.port}")


def test_fastapi_routes_and_links_behind_a_proxy_that_takes_a_prefix_away(serve: Serve) -> None:
    program = serve("--root-path", ROOT_PATH, app="tests.support.below:app")
    told = json.loads(through_proxy(program, "/shop/tea").body)
    assert (told["root_path"], told["path"], told["raw_path"]) == ("/shop", *["/shop/tea"] * 2)
    assert path_of(told["self"], program) == "/shop/tea"
    shelved = path_of(told["shelved"], program)
    assert json.loads(through_proxy(program, shelved).body)["path"] == "/shop/shelf/tea"
    mounted = json.loads(through_proxy(program, "/shop/cellar/wine").body)
    assert path_of(mounted["self"], program) == mounted["path"] == "/shop/cellar/wine"
    assert through_proxy(program, "/shop/nothing").status == 404


def test_fastapis_documentation_is_complete_behind_such_a_proxy(serve: Serve) -> None:
    program = serve("--root-path", ROOT_PATH, app="tests.support.below:app")
    page = through_proxy(program, "/shop/docs").body.decode()
    assert "'/shop/openapi.json'" in page
    schema = json.loads(through_proxy(program, "/shop/openapi.json").body)
    assert schema["servers"] == [{"url": "/shop"}]
    assert set(schema["paths"]) == {"/tea", "/shelf/tea"}


@pytest.mark.parametrize("interface", ["asgi", "wsgi", "handler"])
def test_an_interface_that_cannot_be_found_out_is_told(serve: Serve, interface: str) -> None:
    program = serve("--interface", interface, app="tests.support.told:anything")
    assert ask(program.port, "/").body.decode() == interface


def test_the_application_sees_what_the_env_file_adds(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "env.py").write_text(ENVIRONMENT)
    (tmp_path / "shop.env").write_text("SHOP_TEA=green\nXDG_RUNTIME_DIR=/nowhere\n")
    options = ("--app-dir", str(tmp_path), "--env-file", str(tmp_path / "shop.env"))
    program = serve(*options, app="env:handler")
    assert ask(program.port, "/SHOP_TEA").body == b"green"
    assert ask(program.port, "/XDG_RUNTIME_DIR").body.decode() == str(program.home)


@pytest.mark.parametrize("preload", ["on", "off"])
def test_a_preloaded_application_is_imported_once(
    serve: Serve, tmp_path: Path, preload: str
) -> None:
    (tmp_path / "shop.py").write_text(IMPORTED)
    options = ("--app-dir", str(tmp_path), "--preload", preload, "--workers", "2")
    program = serve(*options, app="shop:handler")
    answers = {ask(program.port, "/").body.decode() for _ in range(8)}
    importers, answerers = zip(*(answer.split() for answer in answers), strict=True)
    assert len(set(answerers)) == 2
    assert len(set(importers)) == (1 if preload == "on" else 2)
    assert (set(importers) == set(answerers)) is (preload == "off")


# Connections


def test_as_many_connections_wait_as_the_backlog_says(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "shop.sock"
    program = serve("--bind", f"unix:{path}", "--backlog", "3")
    program.signal(signal.SIGSTOP)
    os.waitid(os.P_PID, program.pid, os.WSTOPPED | os.WNOWAIT)
    with ExitStack() as waiting:

        def connect() -> None:
            sock = waiting.enter_context(socket.socket(socket.AF_UNIX))
            sock.setblocking(False)
            sock.connect(str(path))

        for _ in range(3 + 1):  # the kernel lets one more wait than it was told
            connect()
        with pytest.raises(BlockingIOError):
            connect()
    program.signal(signal.SIGCONT)


def test_a_connection_above_worker_connections_waits(serve: Serve) -> None:
    program = serve("--worker-connections", "2")
    with callers(*[program] * 3) as (first, second, third):
        assert first.ask("/").status == second.ask("/").status == 200
        third.send("/")
        assert not is_readable(third, MOMENT)
        first.close()
        assert third.reply().status == 200


@pytest.mark.parametrize("policy", ["rr", "shared"])
def test_a_connection_above_those_of_all_workers_waits(serve: Serve, policy: str) -> None:
    program = serve("--max-connections", "2", "--workers", "2", "--policy", policy)
    with callers(*[program] * 3) as (first, second, third):
        assert first.ask("/").status == second.ask("/").status == 200
        third.send("/")
        assert not is_readable(third, MOMENT)
        first.close()
        assert third.reply().status == 200


def test_an_idle_connection_is_closed_after_the_keepalive_timeout(serve: Serve) -> None:
    hasty, patient = serve("--keepalive-timeout", "0"), serve()
    with callers(hasty, patient) as (left, kept):
        assert left.ask("/").status == kept.ask("/").status == 200
        assert is_readable(left, 5000)
        assert left.socket.recv(1) == b""
        assert not is_readable(kept, 0)


def test_a_head_that_is_late_is_refused(serve: Serve) -> None:
    program = serve("--header-timeout", "0.1")
    with callers(program) as (caller,):
        caller.socket.sendall(b"GET / HTTP/1.1\r\n")
        assert caller.socket.recv(100).startswith(b"HTTP/1.1 408 ")


# Limits


def test_a_request_above_the_concurrency_is_declined(serve: Serve) -> None:
    limited, unlimited = serve("--limit-concurrency", "1"), serve()
    for program, status in ((limited, 503), (unlimited, 200)):
        with callers(program, program) as (first, second):
            first.send("/begun")
            assert is_readable(first, 5000)
            reply = second.ask("/")
            assert reply.status == status
            assert reply.headers.get("retry-after") == ("1" if status == 503 else None)
            assert second.ask("/").status == status


def test_the_last_request_of_a_connection_closes_it(serve: Serve) -> None:
    limited, unlimited = serve("--keepalive-requests", "2"), serve()
    with callers(limited, unlimited) as (short, long):
        assert "connection" not in short.ask("/").headers
        assert short.ask("/").headers["connection"] == "close"
        assert "connection" not in [long.ask("/").headers for _ in range(3)][-1]


def test_a_body_that_does_not_come_is_given_up_after_the_grace(serve: Serve) -> None:
    request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
    with callers(serve(), serve("--min-body-rate", "0")) as (hurried, patient):
        for each in (hurried, patient):
            each.socket.sendall(request.encode())
        assert is_readable(hurried, 10_000)
        assert hurried.socket.recv(100).startswith(b"HTTP/1.1 408 ")
        assert not is_readable(patient, MOMENT)


LIMITED = {  # by option: its value, a request that is filled beyond it, the answer's status
    "--max-request-line": ("100", "GET /{} HTTP/1.1\r\n\r\n", "414"),
    "--max-header-field": ("100", "GET / HTTP/1.1\r\nX-Tea: {}\r\n\r\n", "431"),
    "--max-headers-size": ("100", "GET / HTTP/1.1\r\nX-Tea: {}\r\n\r\n", "431"),
    "--max-headers": ("5", "GET / HTTP/1.1\r\n{}\r\n", "431"),
}


@pytest.mark.parametrize("option", LIMITED)
def test_a_request_over_a_limit_is_refused(serve: Serve, option: str) -> None:
    limit, request, status = LIMITED[option]
    filling = "X-Tea: 1\r\n" if option == "--max-headers" else "t"
    asked = request.replace("HTTP/1.1\r\n", "HTTP/1.1\r\nHost: a\r\n").replace(
        "{}", filling * int(limit)
    )
    assert answer_to(serve(option, limit), asked) == status
    assert answer_to(serve(), asked) == "200"


def answer_to(program: Program, request: str) -> str:
    with socket.create_connection(("127.0.0.1", program.port), 10) as sock:
        sock.sendall(request.encode())
        return sock.recv(100).decode().split()[1]


# The log


def test_the_log_has_the_level_and_the_format_that_were_asked_for(serve: Serve) -> None:
    quiet = serve("--log-level", "warning")
    chatty = serve("--log-level", "debug", "--log-format", "text")
    for program in (quiet, chatty):
        program.signal(signal.SIGTERM)
        assert program.wait() == 0
        assert program.journal.ended()
    assert not quiet.journal.entries("ready")
    assert " info ready " in chatty.journal.text
    assert not chatty.journal.entries()
