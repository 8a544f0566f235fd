"""What every test of the real program starts with."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
from tests.support.program import PREFORK, Program
from tests.support.script import Script

NOBODY = "65534"
UID = str(400_000 + os.getpid() % 100_000)  # of no user


class Serve(Protocol):
    """Start a program with these arguments; it ends with the test."""

    def __call__(  # noqa: PLR0913 - each has a default
        self,
        *options: str,
        app: str = ...,
        entry: Sequence[str] = ...,
        stdout: int = ...,
        passed: Sequence[int] = ...,
        waits: bool = ...,
        prefix: Sequence[str] = ...,
    ) -> Program: ...


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start programs that serve, `tests.support.apps:app` unless told otherwise."""
    with ExitStack() as running:

        def start(  # noqa: PLR0913 - as above
            *options: str,
            app: str = "tests.support.apps:app",
            entry: Sequence[str] = PREFORK,
            stdout: int = subprocess.DEVNULL,
            passed: Sequence[int] = (),
            waits: bool = True,  # until it is ready
            prefix: Sequence[str] = (),  # of the command
        ) -> Program:
            home = tmp_path / str(len(list(tmp_path.iterdir())))
            home.mkdir(mode=0o700)
            if UID in prefix:
                os.chown(home, int(UID), int(UID))
            program = Program(
                app, *options, home=home, entry=entry, stdout=stdout, passed=passed, prefix=prefix
            )
            running.callback(program.close)
            if waits:
                program.wait_ready()
            return program

        yield start


class RunScript(Protocol):
    """Run a source text as a script with these arguments; it ends with the test."""

    def __call__(
        self, source: str, *arguments: str, env: Mapping[str, str] | None = ...
    ) -> Script: ...


@pytest.fixture
def script(tmp_path: Path) -> Iterator[RunScript]:
    """Run scripts that use the cluster's API."""
    with ExitStack() as running:

        def start(source: str, *arguments: str, env: Mapping[str, str] | None = None) -> Script:
            home = tmp_path / str(len(list(tmp_path.iterdir())))
            home.mkdir(mode=0o700)
            made = Script(source, home, *arguments, env=env)
            running.callback(made.close)
            return made

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


@pytest.fixture
def nobody_else(nobody: Sequence[str], tmp_path: Path) -> Sequence[str]:
    """Return such a prefix, with a uid of which nobody else has processes: they are counted."""
    if not nobody:
        pytest.skip("processes are counted by user, and this one has others")
    for each in (tmp_path, *tmp_path.parents):
        if each.owner() == "root" and each != Path("/tmp") and each.is_relative_to("/tmp"):
            each.chmod(each.stat().st_mode | 0o111)
    return [UID if word == NOBODY else word for word in nobody]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount 256 KiB with room for 20 files, or skip: only root may."""
    place = tmp_path / "disk"
    place.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=20", "tmpfs", str(place)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)
