"""A real redis-server or nats-server, started by a test on a port of its own."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from tests.support.journal import Journal

NATS = """
listen: "127.0.0.1:{port}"
max_payload: 33554432
write_deadline: "10s"
"""
needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed"
)
needs_nats = pytest.mark.skipif(
    shutil.which("nats-server") is None, reason="nats-server is not installed"
)


class Server:
    """It runs from `start`, which may come again, until `stop`."""

    def __init__(self, scheme: str, command: Callable[[int], list[str]], ready: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._command = command(self.port)
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when it takes connections."""
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._process.stdout is not None
        self._journal = Journal(os.dup(self._process.stdout.fileno()))
        self._process.stdout.close()
        self._journal.wait_for_line(self._ready)

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._journal.ended()
            print(f"--- {self._command[0]} said:\n{self._journal.text}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stop()


def redis(*options: str) -> Server:
    def command(port: int) -> list[str]:
        fixed = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
        return ["redis-server", *fixed, *options]

    return Server("redis", command, "Ready to accept connections")


def nats(place: Path, lines: str = "") -> Server:
    """*place*: a directory for its configuration."""

    def command(port: int) -> list[str]:
        conf = place / f"nats-{port}.conf"
        conf.write_text(NATS.format(port=port) + lines)
        return ["nats-server", "-c", str(conf)]

    return Server("nats", command, "Server is ready")
