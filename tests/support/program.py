"""A real `prefork serve`, started, watched and ended by its test."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import processes
from tests.support.journal import Journal

ROOT = Path(__file__).parents[2]
PREFORK = ("-m", "prefork")
NAME = "shop"  # of every instance; each has a runtime directory of its own
PATIENCE = 28.0  # seconds: what only ends a hopeless wait, and less than the 30 of a drain
Stats = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command that ended by itself ended."""

    code: int
    out: str
    err: str


def interpreter(home: Path) -> list[str]:
    """Return the start of a command line: this Python, with *home* as its runtime directory.

    It caches bytecode, as it does unless told otherwise: a reload must not be served old one.
    """
    caching = ["-u", "PYTHONDONTWRITEBYTECODE"]
    return ["env", *caching, f"XDG_RUNTIME_DIR={home}", sys.executable]


def run(*arguments: str, home: Path, prefix: Sequence[str] = (), timeout: float = 20) -> Outcome:
    """Run `prefork ARGUMENTS` to its end, with *home* as its runtime directory."""
    command = [*prefix, *interpreter(home), *PREFORK, *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


class Program:
    """`prefork serve APP OPTIONS`, until `close`.

    It runs in a session of its own, by which everything that it ever forked is found again.
    """

    def __init__(  # noqa: PLR0913 - most have a default
        self,
        app: str,
        *options: str,
        home: Path,
        entry: Sequence[str] = PREFORK,
        stdout: int = subprocess.DEVNULL,
        passed: Sequence[int] = (),
        prefix: Sequence[str] = (),
    ) -> None:
        self.home = home
        self.control = home / "prefork" / f"{NAME}.sock"
        self._ready, ready_end = os.pipe()
        ours = ["--app-dir", str(ROOT), "--name", NAME, "--log-format", "json"]
        ours += ["--ready-fd", str(ready_end)]
        bind = () if "--bind" in options or passed else ("--bind", "127.0.0.1:0")
        self._process = subprocess.Popen(
            [*prefix, *interpreter(home), *entry, "serve", app, *ours, *bind, *options],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            pass_fds=(ready_end, *passed),
            start_new_session=True,
            cwd=ROOT,
        )
        os.close(ready_end)
        assert self._process.stderr is not None
        self.journal = Journal(os.dup(self._process.stderr.fileno()))
        self._process.stderr.close()
        self._pidfd = os.pidfd_open(self._process.pid)
        self.announced: Stats = {}

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def bind(self) -> list[str]:
        """The addresses that it announced, with the ports that it got."""
        return list(self.announced["bind"])

    @property
    def port(self) -> int:
        return int(self.bind[0].rpartition(":")[2])

    def wait_ready(self, timeout: float = 30) -> None:
        """Wait for the line on the ready descriptor; it ends unwritten where the start fails."""
        poll = select.poll()
        poll.register(self._ready, select.POLLIN)
        assert poll.poll(timeout * 1000), f"not ready in {timeout} s:\n{self.journal.text}"
        with os.fdopen(os.dup(self._ready)) as stream:
            line = stream.readline()
        if not line:
            self.journal.ended()
            raise AssertionError(f"it ended instead of serving:\n{self.journal.text}")
        self.announced = json.loads(line)

    def whisper(self, line: bytes, timeout: float = PATIENCE) -> bytes:
        """Send *line* to the control socket; return the first line that comes back."""
        with socket.socket(socket.AF_UNIX) as asking, asking.makefile("rb") as answer:
            asking.settimeout(timeout)
            asking.connect(str(self.control))
            with suppress(BrokenPipeError, ConnectionResetError):
                asking.sendall(line)
                return answer.readline()
        return b""

    def stats(self) -> Stats:
        """Ask the control socket, as `prefork stats` does, without its samples of /proc."""
        reply = json.loads(self.whisper(b'{"prefork": 1, "verb": "stats"}\n'))
        assert reply["ok"], reply
        result: Stats = reply["result"]
        return result

    def settled(self, wanted: Callable[[Stats], bool], timeout: float = PATIENCE) -> Stats:
        """Ask for statistics until *wanted* likes them; return these.

        Between two questions it watches for the program's exit.
        """
        deadline = time.monotonic() + timeout
        while not wanted(stats := self.stats()):
            assert time.monotonic() < deadline, f"never so in {timeout} s, last: {stats}"
            assert not self._has_exited(0.02), f"it exited:\n{self.journal.text}"
        return stats

    def workers(self, count: int) -> list[int]:
        """Wait until *count* workers serve; return their pids by slot."""
        stats = self.settled(lambda s: len(serving(s)) == count)
        return serving(stats)

    def tree(self) -> list[int]:
        """Return the pids of everything below the primary."""
        return processes.descendants(self.pid)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout: float = PATIENCE) -> int:
        """Return the exit code, minus the number of the signal that killed it."""
        assert self._has_exited(timeout), f"alive after {timeout} s:\n{self.journal.text}"
        self.journal.ended(0.5)  # all that it said is there, unless others go on that it has left
        return self._process.wait()

    def leftovers(self) -> list[int]:
        """Return the processes that it left behind."""
        return [pid for pid in processes.session(self.pid) if pid != self.pid]

    def close(self) -> None:
        """Kill what is left of it, by pid, and show what it said."""
        for pid in processes.session(self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self.journal.ended(5)
        os.close(self._pidfd)
        os.close(self._ready)
        print(f"--- prefork[{self.pid}] said:\n{self.journal.text}")  # pytest shows it on failure

    def _has_exited(self, timeout: float) -> bool:
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(timeout * 1000))


def serving(stats: Stats) -> list[int]:
    """Return the pids of the workers that *stats* shows as serving, by slot."""
    workers = sorted(stats["workers"], key=lambda worker: int(worker["slot"]))
    return [worker["pid"] for worker in workers if worker["state"] == "serving"]
