"""An instance that is only a control socket: it answers what the test says."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefork.control.directory import claim

Reply = Callable[[dict[str, Any]], list[bytes]]  # request -> lines with their newlines


def line(**fields: Any) -> bytes:
    return json.dumps({"prefork": 1, **fields}).encode() + b"\n"


def result(**fields: Any) -> bytes:
    return line(ok=True, result=fields)


def worker(slot: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "slot": slot,
        "id": 10 + slot,
        "pid": None,
        "state": "serving",
        "generation": 1,
        "uptime": 61.0,
        "restarts": 0,
        "connections": 2,
        "accepted": 5,
        "requests": 7,
        "handed_back": 0,
        "in_flight": 1,
        "loop_lag_ms": 0.25,
    } | fields


def stats(name: str = "app-8000", **fields: Any) -> dict[str, Any]:
    """An answer to `stats` of an instance with two workers."""
    return {
        "name": name,
        "pid": 0,
        "version": "0.1.0",
        "app": "app:handler",
        "policy": "rr",
        "bind": ["127.0.0.1:8000"],
        "generation": 1,
        "state": "serving",
        "uptime": 3723.0,
        "workers_wanted": 2,
        "workers": [worker(0), worker(1)],
        "templates": [],
        "totals": {"accepted": 10, "requests": 14, "handed_back": 0, "exits": 0},
    } | fields


@contextmanager
def instance(path: Path, reply: Reply) -> Iterator[list[dict[str, Any]]]:
    """Answer every request at *path* by *reply*, then hang up; gives the requests seen."""
    seen: list[dict[str, Any]] = []
    listener = claim(path)
    listener.setblocking(True)
    thread = threading.Thread(target=_serve, args=(listener, reply, seen))
    thread.start()
    try:
        yield seen
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # ends accept
        thread.join()
        listener.close()
        path.unlink(missing_ok=True)


@contextmanager
def silent_instance(path: Path) -> Iterator[None]:
    """Listen at *path*, and never answer, as a stopped primary does."""
    with claim(path):
        yield
    path.unlink(missing_ok=True)


def _serve(listener: socket.socket, reply: Reply, seen: list[dict[str, Any]]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, connection.makefile("rwb") as stream:
            request = stream.readline()
            if not request:
                continue  # a probe
            seen.append(json.loads(request))
            for answer in reply(seen[-1]):
                stream.write(answer)
