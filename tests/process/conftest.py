"""What every test of the real program starts with."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
from tests.support.program import PREFORK, Program

NOBODY = "65534"


class Serve(Protocol):
    """Start a program with these arguments; it ends with the test."""

    def __call__(
        self,
        *options: str,
        app: str = ...,
        entry: Sequence[str] = ...,
        stdout: int = ...,
        passed: Sequence[int] = ...,
        waits: bool = ...,
    ) -> Program: ...


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start programs that serve, `tests.support.apps:app` unless told otherwise."""
    with ExitStack() as running:

        def start(
            *options: str,
            app: str = "tests.support.apps:app",
            entry: Sequence[str] = PREFORK,
            stdout: int = subprocess.DEVNULL,
            passed: Sequence[int] = (),
            waits: bool = True,  # until it is ready
        ) -> Program:
            home = tmp_path / str(len(list(tmp_path.iterdir())))
            home.mkdir(mode=0o700)
            program = Program(app, *options, home=home, entry=entry, stdout=stdout, passed=passed)
            running.callback(program.close)
            if waits:
                program.wait_ready()
            return program

        yield start


@pytest.fixture(scope="session")
def nobody() -> Sequence[str]:
    """Return the prefix of a command that runs without privilege: root is never refused."""
    if os.geteuid() != 0:
        return []
    plain = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]
    # Where Python lives below a private home directory; it still may not write or bind.
    reading = [*plain, "--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
    for prefix in (plain, reading) if shutil.which("setpriv") else ():
        trying = [*prefix, "env", sys.executable, "-c", "import prefork.cli.main"]
        if not subprocess.run(trying, capture_output=True, check=False).returncode:
            return prefix
    pytest.skip(f"nothing runs {sys.executable} as uid {NOBODY}, and root is never refused")
