"""An answer without end to a client that doesn't read it costs a worker next to nothing."""

import re
import socket
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.support.asking import ask
from tests.support.endless import PIECE
from tests.support.program import Program

MOST = 16_000_000  # bytes: what the kernel keeps for a connection, of both ends, and some
STILL = 50  # questions in a row that are answered alike: it has stopped


def resident(pid: int) -> int:
    """Return the bytes of memory that a process has."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def asked_for(program: Program) -> int:
    return int(ask(program.port, "/asked").body.split()[1])


def unread(program: Program) -> socket.socket:
    """Ask for an answer without end; return when the worker has stopped making it."""
    client = socket.create_connection(("127.0.0.1", program.port), timeout=10)
    client.sendall(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
    last, same = -1, 0
    while same < STILL:
        last, before = asked_for(program), last
        same = same + 1 if last == before > 0 else 0
    return client


@pytest.mark.parametrize("interface", ["asgi", "handler", "wsgi"])
def test_a_client_that_does_not_read_holds_less_than_a_megabyte(
    serve: Serve, interface: str
) -> None:
    program = serve(app=f"tests.support.endless:{interface}")
    (pid,) = program.workers(1)
    unread(program).close()  # what is allocated once, is
    asked_for(program)
    before, already = resident(pid), asked_for(program)
    with unread(program) as client:
        assert resident(pid) - before < 1_000_000
        made = (asked_for(program) - already) * len(PIECE)
        assert made < MOST
        read = 0
        while read < 2 * made:  # it goes on as it is read, and memory stays
            read += len(client.recv(1 << 20))
        assert (asked_for(program) - already) * len(PIECE) > read - made
        assert resident(pid) - before < 1_000_000
    assert program.workers(1) == [pid]
    assert program.journal.entries("request_failed") == []
