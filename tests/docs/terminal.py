"""A user's two terminals: one where a program runs, one for commands."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.docs.likeness import end_of
from tests.support import processes
from tests.support.journal import Journal

STARTED = re.compile(r"Ctrl-C stops|waiting_for_change|\"event\": \"ready\"")
WATCHING = " debug watching "
DEBUG = re.compile(r"^\S+ \[\d+\] debug ")  # what the page's reader doesn't see
QUIET = 'curl() { command curl -sS "$@"; }'  # no progress, as where standard output is a terminal
LONGEST = 20.0  # seconds that a command or a stop may take


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and what it wrote to its terminal."""

    code: int
    lines: list[str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where commands are typed, and the runtime directory of their user."""

    folder: Path
    home: Path

    def shell(self, line: str, *variables: str) -> list[str]:
        """Return the command by which bash runs *line*, with this Python's programs before others.

        Bytecode is cached, as it is unless told otherwise.
        """
        found = f'PATH="{Path(sys.executable).parent}:$PATH"; {QUIET}; {line}'
        unset = ["-u", "PYTHONDONTWRITEBYTECODE"]
        return ["env", *unset, f"XDG_RUNTIME_DIR={self.home}", *variables, "bash", "-ec", found]

    def run(self, line: str) -> Said:
        """Run *line* to its end."""
        done = subprocess.run(
            self.shell(line),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        return Said(done.returncode, done.stdout.splitlines())


class Foreground:
    """A `prefork serve …` that holds its terminal, until `close`."""

    def __init__(self, line: str, place: Place) -> None:
        self._process = subprocess.Popen(
            # Only what is logged for debugging tells when the files are watched.
            place.shell(f"exec {line}", "PREFORK_LOG_LEVEL=debug"),
            cwd=place.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # as a terminal has one
        )
        assert self._process.stdout is not None
        self.journal = Journal(os.dup(self._process.stdout.fileno()))
        self._process.stdout.close()
        self._read = 0  # how many lines the page has shown
        self._is_watching = "--reload" in line.split()

    def wait_started(self) -> None:
        """Wait until it serves, or waits for its user; and sees what that does."""
        self.journal.wait_until(_started, "start")
        if self._is_watching:
            self.journal.wait_for_line(WATCHING)

    def wait_shown(self, shown: str) -> None:
        """Wait until it has said what a page shows next."""

        def read(lines: list[str]) -> int | None:
            return end_of(shown, [line for line in lines if not DEBUG.match(line)], self._read)

        self._read = self.journal.wait_until(read, f"lines like\n{shown}after {self._read}")

    def interrupt(self) -> int:
        """Press Ctrl-C, if it runs; return its exit code."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGINT)
        return self.code()

    def code(self) -> int:
        """Return its exit code when it has ended."""
        return self._process.wait(LONGEST)

    def close(self) -> None:
        """Kill what is left of it, by pid, and show what it said."""
        for pid in processes.session(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self.journal.ended()
        print(f"--- the first terminal:\n{self.journal.text}")  # pytest shows it on failure


def _started(lines: list[str]) -> str | None:
    return next((line for line in lines if STARTED.search(line)), None)
