"""No body is ever taken for a request."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass

import pytest
from tests.support.asking import ask
from tests.support.program import Program
from tests.support.smuggled import ATTACKS

FIRST = 0.3  # seconds for the beginning of an answer, before we say that no more will come
REST = 3.0  # seconds for the end of the connection then


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that the application saw."""

    method: str
    path: str
    body: str
    front: str  # the mark of the proxy that it came through
    peer: int  # the port at the other end of its connection


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    running = Program(
        "tests.support.target:app", "--workers", "1", home=tmp_path_factory.mktemp("site")
    )
    with closing(running):
        running.wait_ready()
        yield running


def send(port: int, data: bytes) -> bytes:
    """Send an attack, and after a moment the end; return all that comes back."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), FIRST) as sock:
        try:
            sock.sendall(data)
            with suppress(TimeoutError):
                received += sock.recv(65536)
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(REST)
            while more := sock.recv(65536):
                received += more
        except OSError:
            pass
    return received


def seen(program: Program) -> list[Seen]:
    """What the application saw since this was last asked."""
    return [Seen(*each) for each in json.loads(ask(program.port, "/seen").body)]


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_request_is_smuggled(program: Program, attack: str) -> None:
    seen(program)
    answered = send(program.port, ATTACKS[attack])
    noted = seen(program)
    told = f"{answered!r}\n{noted}"
    assert all(each.path != "/smuggled" for each in noted), told
    assert answered.count(b"HTTP/1.1 200 ") == len(noted), told
