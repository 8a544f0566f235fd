"""The pools that are compared, and the cores' limits, each as something that can be asked."""

import http.client
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from benchmarks.report import NODE_MODULES
from benchmarks.servers import HERE
from tests.support.program import ROOT, Program

OURS, SCRIPT = "prefork", "prefork.Pool"
EXECUTOR, PEBBLE, PISCINA = "ProcessPoolExecutor", "pebble", "Piscina"
CORES, NODE_CORES = "cores", "cores, Node"
PATIENCE = 300.0  # seconds for an answer


class Asked(Protocol):
    def ask(self, question: str) -> float:
        """Return seconds for one task."""


class Peer:
    """A process that answers a line by a line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, question: str) -> float:
        self.tell(question)
        return self.hear()

    def tell(self, question: str) -> None:
        assert self._process.stdin is not None
        print(question, file=self._process.stdin, flush=True)

    def hear(self) -> float:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"{self._process.args!r} ended"
        return float(line)


class Cores:
    """Processes without a pool, which all compute at the same time."""

    def __init__(self, peers: Sequence[Peer]) -> None:
        self._peers = peers

    def ask(self, question: str) -> float:
        """Raises ValueError for what is not of the cores."""
        verb, *numbers = question.split("/")
        if verb == "loops":
            return self._peers[0].ask(question)
        loops, count, _ = map(int, numbers)
        for peer in self._peers:
            peer.tell(f"{verb}/{loops}/{count // len(self._peers)}/1")
        return 1 / sum(1 / peer.hear() for peer in self._peers)


class Served:
    """A worker of prefork that measures its pool."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection

    def ask(self, question: str) -> float:
        self._connection.request("GET", f"/{question}")
        response = self._connection.getresponse()
        body = response.read().decode()
        assert response.status == http.HTTPStatus.OK, body
        return float(body)


@contextmanager
def started(command: Sequence[str]) -> Iterator[Peer]:
    with subprocess.Popen(
        ["env", f"NODE_PATH={NODE_MODULES}", *command],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Peer(process)  # the end of its input is its own


def python(kind: str) -> Callable[[int], AbstractContextManager[Asked]]:
    command = [sys.executable, "-m", "benchmarks.pool.peer", kind]
    return lambda processes: started([*command, str(processes)])


def piscina(threads: int) -> AbstractContextManager[Asked]:
    return started(["node", str(HERE / "pool" / "peer.js"), "piscina", str(threads)])


def cores(*command: str) -> Callable[[int], AbstractContextManager[Asked]]:
    @contextmanager
    def opened(processes: int) -> Iterator[Asked]:
        with ExitStack() as opened:
            yield Cores([opened.enter_context(started(command)) for _ in range(processes)])

    return opened


@contextmanager
def prefork(processes: int) -> Iterator[Asked]:
    options = ("--workers", "1", "--pool", str(processes))
    with tempfile.TemporaryDirectory() as home:
        program = Program("benchmarks.pool.app:handler", *options, home=Path(home))
        try:
            program.wait_ready()
            asking = http.client.HTTPConnection("127.0.0.1", program.port, timeout=PATIENCE)
            with closing(asking):
                yield Served(asking)
        finally:
            program.close()


CONTENDERS: dict[str, Callable[[int], AbstractContextManager[Asked]]] = {  # of processes
    OURS: prefork,
    SCRIPT: python("script"),
    EXECUTOR: python("executor"),
    PEBBLE: python("pebble"),
    PISCINA: piscina,
    CORES: cores(sys.executable, "-m", "benchmarks.pool.peer", "none", "1"),
    NODE_CORES: cores("node", str(HERE / "pool" / "peer.js"), "none", "1"),
}
LIMITS = {name: NODE_CORES if name in (PISCINA, NODE_CORES) else CORES for name in CONTENDERS}


def missing(name: str) -> str | None:
    """Say what lacks to measure it."""
    if name == PEBBLE and not find_spec("pebble"):
        return "pebble is not installed"
    if name in (PISCINA, NODE_CORES) and not shutil.which("node"):
        return "node is not installed"
    if name == PISCINA and not (NODE_MODULES / "piscina").exists():
        return f"piscina is not in {NODE_MODULES}"
    return None
