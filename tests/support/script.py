"""A user's script that uses the cluster's API, run as a program and watched by its test."""

import json
import os
import select
import signal
import subprocess
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.support import processes
from tests.support.journal import LONGEST, Journal
from tests.support.program import PATIENCE, ROOT, interpreter

# What every script may use: a line of JSON per event, whole, whichever process writes it.
PRELUDE = """
import json, os, sys
def tell(*what):
    os.write(1, (json.dumps(what, default=str) + "\\n").encode())
"""
LAST_WORDS = 2.0  # seconds until what was said before the end has been read


class Script:
    """`python script.py`, until `close`; what it tells by `tell(…)` is waited for line by line.

    It runs in a session of its own, by which everything that it ever forked is found again.
    """

    def __init__(
        self,
        source: str,
        directory: Path,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        path = directory / "script.py"
        path.write_text(PRELUDE + textwrap.dedent(source))
        variables = {"PREFORK_LOG_FORMAT": "json", "PYTHONPATH": str(ROOT)} | dict(env or {})
        self._process = subprocess.Popen(
            [*prefix, *interpreter(directory), str(path), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            cwd=directory,
            env=os.environ | variables,  # noqa: TID251 - a test's own, for its child
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.output = Journal(os.dup(self._process.stdout.fileno()))
        self.journal = Journal(os.dup(self._process.stderr.fileno()))
        self._process.stdout.close()
        self._process.stderr.close()
        self._pidfd = os.pidfd_open(self._process.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    def told(self, what: str | None = None) -> list[list[Any]]:
        """Return what was told so far, that which begins with *what* alone if it is given."""
        lines = [json.loads(line) for line in self.output.text.splitlines() if line[:1] == "["]
        return [line for line in lines if what in (None, line[0])]

    def wait_told(self, what: str, *, count: int = 1, timeout: float = LONGEST) -> list[list[Any]]:
        """Wait until *what* was told *count* times; return these."""
        lines = self.output.wait_for_line(f'["{what}"', count=count, timeout=timeout)
        return [json.loads(line) for line in lines]

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout: float = PATIENCE) -> int:
        """Return the exit code, minus the number of the signal that killed it.

        All that it said has been read then, unless one of its children lives on.
        """
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        said = f"{self.output.text}\n{self.journal.text}"
        assert poll.poll(timeout * 1000), f"alive after {timeout} s:\n{said}"
        for each in (self.output, self.journal):
            each.ended(LAST_WORDS)
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
        for each in (self.output, self.journal):
            each.ended(5)
        os.close(self._pidfd)
        print(f"--- script[{self.pid}] told:\n{self.output.text}\n--- and said:")
        print(self.journal.text)  # pytest shows it on failure
