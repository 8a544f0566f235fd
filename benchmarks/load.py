"""The load: `wrk` on a core of its own, and what it saw."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CLIENTS = 32
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}  # seconds


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked for, over so many connections that are kept open."""

    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    script: Path | None = None  # of wrk, for what its options can't say
    clients: int = CLIENTS
    patience: int = 2  # seconds for an answer; one that takes longer has failed


@dataclass(frozen=True, slots=True)
class Seen:
    rate: float  # answers per second
    count: int  # answers
    failed: int  # errors of sockets, and answers that are no success
    p99: float  # seconds for an answer


def wrk(port: int, load: Load, *, seconds: int, core: int | None) -> Seen:
    """Ask for so long, from *core*; None: where the kernel likes."""
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    headers = [word for name, value in load.headers.items() for word in ("-H", f"{name}: {value}")]
    script = ["-s", str(load.script)] if load.script else []
    options = [
        "-t1",
        f"-c{load.clients}",
        f"-d{seconds}s",
        f"--timeout={load.patience}s",
        "--latency",
    ]
    options += [*headers, *script]
    command = [*pinned, "wrk", *options, f"http://127.0.0.1:{port}{load.path}"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec: +([\d.]+)", out)
    count = re.search(r"(\d+) requests in", out)
    slow = re.search(r"99% +([\d.]+)(us|ms|s|m)", out)
    assert rate, out
    assert count, out
    assert slow, out
    errors = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    other = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    failed = [*(errors.groups() if errors else ()), *(other.groups() if other else ())]
    p99 = float(slow[1]) * UNITS[slow[2]]
    return Seen(float(rate[1]), int(count[1]), sum(map(int, failed)), p99)
