"""WSGI in the real program: threads that are busy, that are too few, and that outlive a client."""

import http.client
import os
import signal
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.support import certificates
from tests.support.asking import Caller, ask
from tests.support.program import Program

APP = "tests.support.gateway:app"


class Held:
    """A request that holds a thread until it is let go."""

    def __init__(self, program: Program, pipe: Path) -> None:
        os.mkfifo(pipe)
        self._pipe = pipe  # of its own: who opens it to write waits for its one reader
        self.caller = Caller(program.port)
        self.caller.send(f"/hold{pipe}")

    def let_go(self) -> None:
        self._pipe.write_bytes(b"")


Hold = Callable[[Program], Held]


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Hold]:
    """Make such requests; their connections end with the test."""
    with ExitStack() as opened:

        def start(program: Program) -> Held:
            held = Held(program, tmp_path / f"pipe-{len(list(tmp_path.iterdir()))}")
            opened.callback(held.caller.close)
            return held

        yield start


@pytest.mark.parametrize("preload", ["on", "off"])
def test_it_is_recognised_and_served(serve: Serve, preload: str) -> None:
    program = serve("--preload", preload, "--workers", "2", app=APP)
    assert {ask(program.port, "/").pid for _ in range(4)} == set(program.workers(2))
    assert program.journal.wait_for("worker_ready")[0]["interface"] == "wsgi"


def test_as_many_requests_are_answered_at_a_time_as_there_are_threads(
    serve: Serve, hold: Hold
) -> None:
    program = serve("--threads", "2", app=APP)
    first = [hold(program) for _ in range(2)]
    program.journal.wait_for_line("holds", count=2)
    with closing(Caller(program.port)) as waiting:
        waiting.send("/")
        program.settled(lambda stats: stats["workers"][0]["in_flight"] == 3)
        for each in first:
            each.let_go()
        (pid,) = program.workers(1)
        assert waiting.reply().pid == pid
    assert {each.caller.reply().pid for each in first} == {pid}


def test_over_tls_the_scheme_is_https(serve: Serve, tmp_path: Path) -> None:
    program = serve(*certificates.write(tmp_path).options, app=APP)
    context = certificates.client_context()
    made = http.client.HTTPSConnection("127.0.0.1", program.port, timeout=10, context=context)
    with closing(made) as connection:
        connection.request("GET", "/scheme")
        assert connection.getresponse().read() == b"https"


def test_a_stop_waits_for_a_thread(serve: Serve, hold: Hold) -> None:
    program = serve(app=APP)
    held = hold(program)
    program.journal.wait_for_line("holds")
    program.signal(signal.SIGTERM)
    program.settled(lambda stats: stats["state"] != "serving")
    held.let_go()
    assert held.caller.reply().status == 200
    assert program.wait() == 0


def test_a_thread_that_does_not_end_is_left_at_the_graceful_timeout(
    serve: Serve, hold: Hold
) -> None:
    program = serve("--graceful-timeout", "0.5", app=APP)
    held = hold(program)
    program.journal.wait_for_line("holds")
    program.signal(signal.SIGTERM)
    assert held.caller.reply().status == 503
    assert program.wait() == 6
    assert program.journal.wait_for("requests_cut")[0]["requests"] == 1
    assert program.leftovers() == []


def test_a_client_that_leaves_costs_no_thread(serve: Serve, hold: Hold) -> None:
    program = serve("--threads", "1", app=APP)
    held = hold(program)
    program.journal.wait_for_line("holds")
    held.caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    held.caller.close()
    program.settled(lambda stats: stats["workers"][0]["connections"] == 0)
    held.let_go()
    assert ask(program.port, "/").pid == program.workers(1)[0]
    assert program.journal.entries("request_failed") == []


def test_a_reload_lets_threads_of_the_old_code_finish(serve: Serve, hold: Hold) -> None:
    program = serve(app=APP)
    before = program.workers(1)
    held = hold(program)
    program.journal.wait_for_line("holds")
    program.signal(signal.SIGHUP)
    program.settled(lambda stats: any(w["state"] == "draining" for w in stats["workers"]))
    assert ask(program.port, "/").pid not in before
    held.let_go()
    assert [held.caller.reply().pid] == before
