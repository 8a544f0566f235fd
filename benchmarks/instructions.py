"""How many instructions a request costs: a count that a busy machine does not change.

python -m benchmarks.instructions
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from benchmarks.servers import HERE, Server, bare_limit, prefork, uvicorn
from benchmarks.trial import PATIENCE, free_port
from tests.support.pacing import beats

FEW, MANY = 1000, 3000  # requests: what is done once is in both
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n"
END = b"Hello, world!"
# Only what libuv calls is counted: no import, and no waiting for other processes.
COUNTING = ("--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=uv_run")
SERVERS = (
    prefork("asgi", "hello_app:app", HERE, "--workers", "1"),
    prefork("handler", "hello_app:handler", HERE, "--workers", "1"),
    uvicorn("hello_app:app", HERE),
    bare_limit(),
)


@dataclass(frozen=True, slots=True)
class Count:
    server: str
    instructions: float  # for a request


def connect(port: int) -> socket.socket:
    for _ in beats(0.1, PATIENCE):
        with suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port))
    raise TimeoutError(f"nothing listens on port {port}")


def ask(port: int, times: int) -> None:
    """Ask one after the other on one connection, so that each costs a turn of the event loop."""
    with connect(port) as sock:
        for _ in range(times):
            sock.sendall(REQUEST)
            seen = b""
            while not seen.endswith(END):
                piece = sock.recv(65536)
                assert piece, f"the connection ended after {seen!r}"
                seen += piece


def collected(server: Server, requests: int) -> int:
    """Return the instructions of the process that answered: of all, it did most."""
    port = free_port()
    program, *arguments = server.command(port)
    script = [] if program == sys.executable else [program]  # valgrind runs no scripts
    environment = os.environ | {"PYTHONHASHSEED": "0"}  # noqa: TID251 - of the measured process
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            ["valgrind", *COUNTING, sys.executable, *script, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env=environment,
        )
        try:
            ask(port, requests)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)
        log.seek(0)
        counts = re.findall(rb"Collected : (\d+)", log.read())
    return max(map(int, counts))


def count(servers: Sequence[Server] = SERVERS) -> list[Count]:
    """Count for each server, by the difference of two runs."""
    found = []
    for server in servers:
        few, many = (collected(server, requests) for requests in (FEW, MANY))
        found.append(Count(server.name, (many - few) / (MANY - FEW)))
        print(found[-1], file=sys.stderr)
    return found


if __name__ == "__main__":
    count()
