"""WebSockets over real sockets: what applications and clients see, also when workers go."""

import os
import select
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from tests.http.frames import CLOSE, KEY, PING, TEXT, frame
from tests.process.conftest import Serve
from tests.support import pacing, processes
from tests.support.asking import ask
from tests.support.program import ROOT, Program, serving
from tests.support.reloads import reload
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

EXAMPLE = ("--app-dir", str(ROOT / "examples"))
TALKS = "tests.support.talks:app"
MEGABYTE = 1 << 20
PATIENCE = 20.0  # seconds
QUIET = 300  # milliseconds in which what can happen has happened
DONE, CUT = 0, 6


@contextmanager
def talking(program: Program, path: str = "/echo", **options: Any) -> Iterator[ClientConnection]:
    url = f"ws://127.0.0.1:{program.port}{path}"
    with connect(url, max_size=None, open_timeout=PATIENCE, **options) as client:
        yield client


@contextmanager
def raw(program: Program, path: str = "/echo") -> Iterator[socket.socket]:
    """A client that does nothing by itself; its handshake is accepted."""
    with socket.create_connection(("127.0.0.1", program.port), PATIENCE) as client:
        client.sendall(
            f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY.decode()}\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        assert head.startswith(b"HTTP/1.1 101 ")
        yield client


def heard(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := client.recv(size - len(data))):
        data += more
    return data


def is_ready(client: socket.socket, event: int) -> bool:
    poll = select.poll()
    poll.register(client, event)
    return bool(poll.poll(QUIET))


def ended(client: ClientConnection) -> tuple[int, str]:
    """The close frame that the server sent."""
    with pytest.raises(ConnectionClosed) as caught:
        client.recv(timeout=PATIENCE)
    received = caught.value.rcvd
    return (received.code, received.reason) if received else (1006, "")


# The example


@pytest.mark.parametrize("compression", ["deflate", None])
def test_starlette_echoes_whatever_it_is_sent(serve: Serve, compression: str | None) -> None:
    program = serve(*EXAMPLE, "--workers", "2", app="websocket_app:app")
    noise = os.urandom(MEGABYTE)
    with talking(program, compression=compression) as client:
        for message in ("h\xe9llo", "", "x" * MEGABYTE, b"\xff", noise):
            client.send(message)
            assert client.recv(PATIENCE) == message
        client.send(iter([noise[:1000], noise[1000:]]))
        assert client.recv(PATIENCE) == noise
        client.send(["in ", "three ", "fragments"])
        assert client.recv(PATIENCE) == "in three fragments"
        assert client.ping().wait(PATIENCE)
    assert (client.close_code, client.close_reason) == (1000, "")


def test_starlette_serves_the_page_beside_its_websocket(serve: Serve) -> None:
    program = serve(*EXAMPLE, app="websocket_app:app")
    assert b"new WebSocket" in ask(program.port, "/").body
    with talking(program, subprotocols=["other", "echo"]) as client:
        assert client.subprotocol == "echo"
    with talking(program) as client:
        assert client.subprotocol is None


def test_starlette_denies_with_an_answer_of_its_own(serve: Serve) -> None:
    program = serve(*EXAMPLE, app="websocket_app:app")
    with pytest.raises(InvalidStatus) as caught, talking(program, "/members"):
        pass
    answer = caught.value.response
    assert (answer.status_code, bytes(answer.body or b"")) == (401, b"members only\n")
    with pytest.raises(InvalidStatus) as caught, talking(program, "/nowhere"):
        pass
    assert caught.value.response.status_code == 403


def test_a_plain_request_for_it_is_not_found(serve: Serve) -> None:
    assert ask(serve(*EXAMPLE, app="websocket_app:app").port, "/echo").status == 404


# Settings


def test_a_message_over_ws_max_size_closes_with_1009(serve: Serve) -> None:
    program = serve("--ws-max-size", "1000", app=TALKS)
    with talking(program, compression=None) as client:
        client.send(bytes(1000))
        assert client.recv(PATIENCE) == bytes(1000)
        client.send(bytes(1001))
        assert ended(client) == (1009, "the message is larger than 1000 bytes")
    with talking(program, compression="deflate") as client:
        client.send(bytes(MEGABYTE))  # of which few are sent
        assert ended(client)[0] == 1009


def test_without_ws_per_message_deflate_nothing_is_compressed(serve: Serve) -> None:
    for options, agreed in (((), 1), (("--no-ws-per-message-deflate",), 0)):
        with talking(serve(*options, app=TALKS), compression="deflate") as client:
            assert len(client.protocol.extensions) == agreed


def test_a_client_is_asked_every_ws_ping_interval_and_has_ws_ping_timeout(serve: Serve) -> None:
    program = serve("--ws-ping-interval", "0.5", "--ws-ping-timeout", "3", app=TALKS)
    with raw(program) as client, talking(program) as lively:
        ping, unheard = frame(PING, masked=False), b"\x03\xf3keepalive ping timeout"
        assert heard(client, len(ping)) == ping
        farewell = frame(CLOSE, unheard, masked=False)
        assert heard(client, len(farewell)) == farewell
        assert client.recv(1) == b""
        lively.send("still here")
        assert lively.recv(PATIENCE) == "still here"
    program.journal.wait_for_line("app: disconnected 1006")


# Flow control


def test_a_client_that_does_not_read_is_sent_no_more_than_it_has_room_for(serve: Serve) -> None:
    program = serve(app=TALKS)
    with raw(program, "/flood") as client:
        sent = -1
        while sent != (sent := int(ask(program.port, "/").body)) or sent == 0:
            pacing.hold(QUIET / 1000)  # a moment in which more would be sent
        (worker,) = program.workers(1)
        os.kill(worker, signal.SIGSTOP)
        in_kernel = 0
        while is_ready(client, select.POLLIN):
            in_kernel += len(client.recv(MEGABYTE))
        os.kill(worker, signal.SIGCONT)
        held = sent - in_kernel
        assert held < MEGABYTE, f"{held} bytes of {sent} are held by the worker"
        assert client.recv(MEGABYTE), "it goes on as the client reads"


def test_an_application_that_does_not_receive_is_kept_no_more_than_a_little(serve: Serve) -> None:
    program = serve(app=TALKS)
    with raw(program, "/deaf") as client:
        program.journal.wait_for_line("app: deaf")
        (worker,) = program.workers(1)
        before = processes.own_rss(worker)
        client.setblocking(False)
        data, sent = frame(TEXT, bytes(1000)) * 1000, 0
        while is_ready(client, select.POLLOUT):
            sent += client.send(data[sent % len(data) :])
            assert sent < 64 * MEGABYTE
        grown = processes.own_rss(worker) - before
        assert grown < 2 * MEGABYTE, f"the worker grew by {grown} bytes"


# When workers go


@pytest.mark.parametrize("policy", ["rr", "shared"])
def test_a_reload_closes_with_1012_and_the_new_worker_is_there(serve: Serve, policy: str) -> None:
    program = serve("--policy", policy, "--min-uptime", "0.2", app=TALKS)
    (old,) = program.workers(1)
    with talking(program) as client:
        client.send("before")
        assert client.recv(PATIENCE) == "before"
        assert reload(program)["state"] == "succeeded"
        assert ended(client) == (1012, "service restart")
    program.journal.wait_for_line(f"app: disconnected 1012 in {old}")
    with talking(program) as client:
        client.send("after")
        assert client.recv(PATIENCE) == "after"
    assert program.workers(1) != [old]


def test_a_stop_closes_with_1012_and_cuts_nothing(serve: Serve) -> None:
    program = serve("--workers", "2", app=TALKS)
    with talking(program) as first, talking(program) as second:
        program.signal(signal.SIGTERM)
        assert {ended(first), ended(second)} == {(1012, "service restart")}
        assert program.wait() == DONE
    program.journal.wait_for_line("app: disconnected 1012", count=2)
    assert program.leftovers() == []


def test_a_client_that_does_not_answer_the_close_is_cut_at_the_deadline(serve: Serve) -> None:
    program = serve("--graceful-timeout", "2", app=TALKS)
    with raw(program) as client:
        program.signal(signal.SIGTERM)
        farewell = frame(CLOSE, b"\x03\xf4service restart", masked=False)
        assert heard(client, len(farewell)) == farewell
        assert client.recv(1) == b""
        assert program.wait() == CUT


def test_a_killed_worker_costs_its_connections_and_no_others(serve: Serve) -> None:
    program = serve("--workers", "2", app=TALKS)
    with talking(program) as first, talking(program) as second:
        os.kill(program.workers(2)[0], signal.SIGKILL)
        lost = first_that_ends(first, second)
        kept = second if lost is first else first
        kept.send("still here")
        assert kept.recv(PATIENCE) == "still here"
        assert ended(lost) == (1006, "")
    program.settled(lambda stats: len(serving(stats)) == 2)
    with talking(program) as third:
        third.send("again")
        assert third.recv(PATIENCE) == "again"


def first_that_ends(*clients: ClientConnection) -> ClientConnection:
    """Listen to each in turn until one ends."""
    for client in islice(cycle(clients), 100):
        if ended_abruptly(client):
            return client
    raise AssertionError("none has ended")


def ended_abruptly(client: ClientConnection) -> bool:
    try:
        client.recv(timeout=QUIET / 1000)
    except ConnectionClosed:
        return True
    except TimeoutError:
        return False
    return False


def test_counters_and_access_log_tell_of_a_websocket(serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    program = serve("--access-log", str(log), app=TALKS)
    with talking(program) as client:
        client.send("a")
        assert client.recv(PATIENCE) == "a"
        stats = program.settled(lambda stats: stats["workers"][0]["requests"] == 1)
        worker = stats["workers"][0]
        assert (worker["connections"], worker["in_flight"]) == (1, 0)
    program.settled(lambda stats: stats["workers"][0]["connections"] == 0)
    program.signal(signal.SIGTERM)
    assert program.wait() == DONE
    (line,) = log.read_text().splitlines()
    assert '"GET /echo HTTP/1.1" 101 0 "-" "Python/' in line
