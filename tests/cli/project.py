"""A folder with an application, in which `prefork check` is run."""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support import processes
from tests.support.program import PREFORK, Outcome, interpreter

HANDLER = "async def handler(request): return 'x'\n"


@dataclass(frozen=True, slots=True)
class Project:
    place: Path

    def write(self, name: str, text: str) -> None:
        (self.place / name).write_text(text)

    def start(self, *arguments: str, variables: Mapping[str, str] = {}) -> subprocess.Popen[str]:
        said = [f"{name}={value}" for name, value in variables.items()]
        return subprocess.Popen(
            ["env", *said, *interpreter(self.place), *PREFORK, "check", *arguments],
            cwd=self.place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def check(self, *arguments: str, variables: Mapping[str, str] = {}) -> Outcome:
        """Run it to its end, which leaves no process and no socket."""
        with self.start(*arguments, variables=variables) as running:
            out, err = running.communicate(timeout=20)
        assert left_of(running) == []
        assert list(self.place.rglob("*.sock")) == []
        return Outcome(running.returncode, out, err)


def left_of(ended: subprocess.Popen[str]) -> list[int]:
    """Return the processes that it left in its session, and end them: they must not outlive us."""
    left = processes.session(ended.pid)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return left
