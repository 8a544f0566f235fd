"""The servers that are measured, each as the command that starts it on a port."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Server:
    name: str
    command: Callable[[int], list[str]]  # of the port
    reload: Callable[[int], list[str]] | None = None  # of the port; None: SIGHUP does it


def prefork(name: str, app: str, home: Path, *options: str) -> Server:
    def command(port: int) -> list[str]:
        where = ["--app-dir", str(home), "--bind", f"127.0.0.1:{port}", "--log-level", "warning"]
        return [f"{BIN}/prefork", "serve", app, *where, "--name", f"bench-{port}", *options]

    def reload(port: int) -> list[str]:
        return [f"{BIN}/prefork", "reload", f"bench-{port}", "--wait"]

    return Server(f"prefork {name}".strip(), command, reload)


def uvicorn(app: str, home: Path, *options: str) -> Server:
    def command(port: int) -> list[str]:
        where = ["--app-dir", str(home), "--port", str(port), "--log-level", "warning"]
        return [f"{BIN}/uvicorn", app, *where, "--no-access-log", *options]

    return Server("uvicorn", command)


def gunicorn(name: str, app: str, home: Path, *options: str, worker: str = "asgi") -> Server:
    def command(port: int) -> list[str]:
        where = ["--chdir", str(home), "--bind", f"127.0.0.1:{port}", "--log-level", "warning"]
        return [f"{BIN}/gunicorn", app, *where, "--worker-class", worker, *options]

    return Server(f"gunicorn {name}".strip(), command)


def granian(app: str, home: Path, *options: str, interface: str = "asgi") -> Server:
    def command(port: int) -> list[str]:
        where = ["--working-dir", str(home), "--port", str(port), "--log-level", "warning"]
        return [f"{BIN}/granian", app, *where, "--interface", interface, *options]

    return Server("granian", command)


def hypercorn(app: str, home: Path, *options: str) -> Server:
    def command(port: int) -> list[str]:
        where = ["--bind", f"127.0.0.1:{port}", "--log-level", "warning", *options]
        return ["env", f"PYTHONPATH={home}", f"{BIN}/hypercorn", *where, app]

    return Server("hypercorn", command)


def node(workers: int) -> Server:
    def command(port: int) -> list[str]:
        return ["node", str(HERE / "cluster.js"), str(port), str(workers)]

    return Server("node cluster", command)


def node_http() -> Server:
    return Server("node http", lambda port: ["node", str(HERE / "hello.js"), str(port)])


def bare_limit() -> Server:
    module = [sys.executable, "-m", "benchmarks.bare_limit"]
    return Server("bare limit", lambda port: [*module, str(port)])
