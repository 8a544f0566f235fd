"""An application that does wrong costs its client an answer, and nobody else anything.

Whatever it does, the client gets 500, or an answer that it can see is not complete; the log names
the error once; and the same worker answers the next request.
"""

import http.client
import os
import signal
import socket
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from tests.process.conftest import Serve
from tests.support.asking import TIMEOUT, ask
from tests.support.bad_apps import ASGI, BAD_HEADERS, ERRORS, HUGE, NO_BYTES
from tests.support.program import Program

APP = "tests.support.bad_apps:"
CUT = "cut"

# By path: what the client gets, and what the log's entry says.
STREAM = {
    "too-many": ("500", "longer than its content-length by 3"),
    "too-many-later": (CUT, "longer than its content-length by 3"),
    "too-few-later": (CUT, "shorter than its content-length by 2"),
    "status-99": ("500", "99 is no status"),
    "status-1000": ("500", "1000 is no status"),
}
CASES: dict[str, dict[str, tuple[str, str]]] = {
    "asgi": STREAM
    | {
        "too-few": ("500", "shorter than its content-length by 2"),
        "half-and-return": (CUT, "returned without completing its answer"),
        "start-and-return": ("500", "returned without completing its answer"),
        "nothing": ("500", "returned without completing its answer"),
        "body-first": ("500", "a body before a start"),
        "start-twice": ("500", "the answer was started twice"),
        "start-late": (CUT, "the answer was started twice"),
        "after-the-end": ("200", "a body after its end"),
        "hushed-up": ("500", "a body before a start"),
        "status-100": ("500", "100 is no status"),
        "status-text": ("500", "'200' is no status"),
        "status-none": ("500", "None is no status"),
        "status-list": ("500", "TypeError: unhashable type"),
        "wrong-type": ("500", "unexpected message 'websocket.send'"),
        "no-type": ("500", "KeyError: 'type'"),
        "no-status": ("500", "KeyError: 'status'"),
        "no-message": ("500", "TypeError"),
        "headers-number": ("500", "TypeError"),
        "text-body": ("500", "a body must be bytes, not str"),
        "no-body": ("500", "a body must be bytes, not NoneType"),
    },
    "handler": STREAM
    | {
        "too-few": ("500", "shorter than its content-length by 2"),
        "nothing": ("500", "a handler must return a Response"),
        "number": ("500", "a handler must return a Response"),
        "triple": ("500", "a handler's pair must be (status, body)"),
        "status-text": ("500", "'200' is no status"),
        "wrong-piece": (CUT, "a handler must return a Response"),
    },
    "wsgi": STREAM
    | {
        "too-few": ("500", "shorter than its content-length by 5"),
        "nothing": ("500", "TypeError"),
        "body-first": ("500", "start_response was not called"),
        "start-twice": ("500", "the answer was started twice"),
        "status-number": ("500", "200 is no status"),
        "text-body": ("500", "a body must be bytes, not str"),
        "exits": ("500", "SystemExit: 3"),
    },
}
NAMED = {  # by kind of error: how the log names it
    "exception": "LookupError: in the application",
    "system-exit": "SystemExit: 3",
    "keyboard-interrupt": "KeyboardInterrupt",
    "cancelled": "CancelledError",
    "generator-exit": "GeneratorExit",
    "stop-iteration": "StopIteration",
    "base-exception": "Weird",
    "unprintable": "Unprintable",
    "surrogate": "ValueError: ",
    "group": "BaseExceptionGroup: several (2 sub-exceptions)",
}
MOMENTS = {"before": "500", "started": "500", "within": CUT, "after": "200"}


def cases(interface: str) -> dict[str, tuple[str, str]]:
    """All that an application of this interface can do wrong."""
    found = dict(CASES[interface])
    for name in BAD_HEADERS:
        found[f"header/{name}"] = ("500", "header")
    if interface == "asgi":
        for name in NO_BYTES:
            found[f"header/{name}"] = ("500", "")
    moments = {"asgi": tuple(MOMENTS), "handler": ("before", "within")}.get(interface)
    for moment in moments or ("before", "within", "after"):
        for name in ERRORS:
            found[f"{moment}/{name}"] = (MOMENTS[moment], NAMED[name])
    return found


def outcome(port: int, path: str) -> str:
    """What comes of a request: a status, or that its answer is recognisably not complete."""
    try:
        return str(ask(port, path).status)
    except (http.client.IncompleteRead, http.client.RemoteDisconnected, ConnectionResetError):
        return CUT


@pytest.mark.parametrize("interface", CASES)
def test_whatever_it_does_wrong_its_client_can_tell_and_the_worker_serves_on(
    serve: Serve, interface: str
) -> None:
    program = serve(app=APP + interface)
    (pid,) = program.workers(1)
    for count, (path, (expected, said)) in enumerate(cases(interface).items(), 1):
        assert outcome(program.port, f"/{path}") == expected, path
        entry = program.journal.wait_for("request_failed", count=count)[-1]
        assert (entry["path"], said in entry["reason"]) == (f"/{path}", True), entry
        assert ask(program.port, "/hello").pid == pid, path
    failed = program.journal.entries("request_failed")
    assert len(failed) == len(cases(interface))
    assert {entry["level"] for entry in failed} == {"error"}
    assert all("prefork/worker" not in entry["detail"] for entry in failed)
    assert "Traceback" not in "".join(
        line for line in program.journal.text.splitlines() if "request_failed" not in line
    )


def test_every_fault_that_there_is_is_tried() -> None:
    harmless = {"huge", "never", "until-gone", "heedless", "sends-on", "unread"}
    assert set(CASES["asgi"]) == set(ASGI) - harmless


def test_without_a_length_an_http_1_0_client_sees_a_reset(serve: Serve) -> None:
    program = serve(app=f"{APP}asgi")
    with socket.create_connection(("127.0.0.1", program.port), timeout=TIMEOUT) as client:
        client.sendall(b"GET /half-and-return HTTP/1.0\r\n\r\n")
        assert client.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
        with pytest.raises(ConnectionResetError):
            client.recv(65536)


@pytest.mark.parametrize("interface", CASES)
def test_100_mb_at_once_arrive(serve: Serve, interface: str) -> None:
    program = serve(app=APP + interface)
    (pid,) = program.workers(1)
    assert len(ask(program.port, "/huge").body) == HUGE
    assert ask(program.port, "/hello").pid == pid


@pytest.mark.parametrize("interface", CASES)
def test_a_body_that_the_application_never_reads_costs_nothing(
    serve: Serve, interface: str
) -> None:
    program = serve(app=APP + interface)
    (pid,) = program.workers(1)
    body = os.urandom(10_000_000)
    with closing(http.client.HTTPConnection("127.0.0.1", program.port, timeout=10)) as connection:
        for _ in range(2):
            connection.request("POST", "/unread", body)
            assert int(connection.getresponse().read()) == pid


# The client leaves


@contextmanager
def asking(program: Program, path: str) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", program.port), timeout=TIMEOUT) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        yield client


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def complaints(program: Program) -> list[str]:
    """End the program; return for which reasons requests failed."""
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert program.journal.ended()
    return [entry["reason"] for entry in program.journal.entries("request_failed")]


LEAVING = {"closes": socket.socket.close, "resets": reset}


@pytest.mark.parametrize("leave", LEAVING)
def test_an_asgi_application_is_told_that_its_client_left(serve: Serve, leave: str) -> None:
    program = serve(app=f"{APP}asgi")
    with asking(program, "/until-gone") as client:
        program.journal.wait_for_line("app: waits")
        LEAVING[leave](client)
        program.journal.wait_for_line("app: saw the disconnect")


@pytest.mark.parametrize("leave", LEAVING)
def test_a_handler_is_cancelled_when_its_client_leaves(serve: Serve, leave: str) -> None:
    program = serve(app=f"{APP}handler")
    with asking(program, "/never") as client:
        program.journal.wait_for_line("app: waits")
        LEAVING[leave](client)
        program.journal.wait_for_line("app: was ended")
    assert complaints(program) == []


@pytest.mark.parametrize("leave", LEAVING)
def test_an_asgi_application_that_heeds_nothing_is_cancelled(serve: Serve, leave: str) -> None:
    program = serve(app=f"{APP}asgi")
    (pid,) = program.workers(1)
    with asking(program, "/heedless") as client:
        program.journal.wait_for_line("app: waits")
        LEAVING[leave](client)
        program.journal.wait_for_line("app: was ended")
    assert ask(program.port, "/hello").pid == pid
    # One that has only shut its side may still wait for an answer, which it didn't get.
    failed = complaints(program)
    assert len(failed) == (leave == "closes")
    assert all("goes on receiving after the disconnect" in reason for reason in failed)


@pytest.mark.parametrize("interface", CASES)
def test_head_of_an_answer_without_end_hinders_nobody(serve: Serve, interface: str) -> None:
    program = serve(app=APP + interface)
    (pid,) = program.workers(1)
    with socket.create_connection(("127.0.0.1", program.port), timeout=TIMEOUT) as client:
        client.sendall(b"HEAD /sends-on HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        assert ask(program.port, "/hello").pid == pid
        reset(client)
        program.journal.wait_for_line("app: was ended")


@pytest.mark.parametrize("interface", CASES)
@pytest.mark.parametrize("leave", LEAVING)
def test_who_sends_without_end_is_ended_with_its_client(
    serve: Serve, interface: str, leave: str
) -> None:
    program = serve(app=APP + interface)
    (pid,) = program.workers(1)
    with asking(program, "/sends-on") as client:
        assert client.recv(65536)
        LEAVING[leave](client)
        program.journal.wait_for_line("app: was ended")
    assert ask(program.port, "/hello").pid == pid
    assert complaints(program) == []


def test_an_application_that_never_answers_hinders_nobody(serve: Serve) -> None:
    program = serve("--graceful-timeout", "0.5", app=f"{APP}asgi")
    (pid,) = program.workers(1)
    with asking(program, "/never") as first, asking(program, "/never") as second:
        program.journal.wait_for_line("app: waits", count=2)
        reset(first)
        assert ask(program.port, "/hello").pid == pid
        program.settled(lambda stats: stats["workers"][0]["in_flight"] == 1)
        second.setblocking(False)
        with pytest.raises(BlockingIOError):
            second.recv(1)
