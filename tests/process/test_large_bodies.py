"""However large a body is, a worker holds a small part of it."""

import hashlib
import socket

import pytest
from tests.process.conftest import Serve
from tests.support.memory import Growth

MB = 1_000_000
RATE = 50 * MB  # bytes a second that the application takes
PIECE = bytes(range(256)) * 256
CHUNK = b"%x\r\n%b\r\n" % (len(PIECE), PIECE)
HELD = 4 * MB  # bytes


@pytest.mark.parametrize("kind", ["app", "handler"])
@pytest.mark.parametrize("size", [64 * MB, pytest.param(1000 * MB, marks=pytest.mark.slow)])
def test_an_upload_that_is_faster_than_the_application_keeps_memory_flat(
    serve: Serve, kind: str, size: int
) -> None:
    program = serve("--workers", "1", app=f"tests.support.target:{kind}")
    (pid,) = program.workers(1)
    count = size // len(PIECE)
    digest = hashlib.blake2b()
    with (
        socket.create_connection(("127.0.0.1", program.port), timeout=60) as sock,
        Growth(pid) as held,
    ):
        sock.sendall(
            b"POST /take?rate=%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" % RATE
        )
        for _ in range(count):
            sock.sendall(CHUNK)
            digest.update(PIECE)
        sock.sendall(b"0\r\n\r\n")
        answer = sock.recv(65536)
    print(f"{kind}: +{held.peak:,} bytes during {size:,}")
    assert answer.endswith(f"{digest.hexdigest()} {count * len(PIECE)}".encode())
    assert held.peak < HELD
