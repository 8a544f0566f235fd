"""The Dockerfile without docker: what it copies, what it starts, and how it is asked."""

import http.client
import json
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from fnmatch import fnmatch
from pathlib import Path

import pytest
from tests.support import processes
from tests.support.program import ROOT

from prefork.cli.main import COMMANDS

FOLDER = ROOT / "examples" / "docker"
PATIENCE = 30.0  # seconds

Instruction = tuple[str, str]  # FROM, python:3.12-slim


def instructions(text: str) -> list[Instruction]:
    """Every instruction with what follows it, its continued lines joined."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    parts = [line.partition(" ") for line in joined.splitlines() if line]
    return [(word, rest.strip()) for word, _, rest in parts]


EVERY = instructions((FOLDER / "Dockerfile").read_text())
LAST_STAGE = EVERY[max(n for n, (word, _) in enumerate(EVERY) if word == "FROM") :]


def of(word: str) -> str:
    """What the image's own stage says, once, after *word*."""
    [rest] = [rest for each, rest in LAST_STAGE if each == word]
    return rest


def words(form: str) -> list[str]:
    """The exec form, which starts no shell."""
    said: list[str] = json.loads(form)
    return said


def copied(stage: Sequence[Instruction]) -> list[str]:
    return [name for word, rest in stage if word == "COPY" for name in rest.split()[:-1]]


COMMAND = words(of("CMD"))
CHECK = words(of("HEALTHCHECK").partition(" CMD ")[2])
VARIABLES = dict(pair.split("=", 1) for pair in shlex.split(of("ENV")))


@pytest.fixture
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's WORKDIR: what is copied there, and nothing else."""
    directory = tmp_path_factory.mktemp("d") / "app"  # short, as a socket's path must be
    directory.mkdir()
    for name in copied(LAST_STAGE):
        shutil.copy(ROOT / name, directory)
    return directory


def environment(workdir: Path, **variables: str) -> dict[str, str]:
    """What a process has in the container, with `docker run -e` for each of *variables*.

    The temporary folder is the test's; in the image that variable is unset, and it is /tmp.
    """
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    return {"PATH": path, "TMPDIR": str(workdir.parent), **VARIABLES, **variables}


def run(command: list[str], workdir: Path, prefix: Sequence[str] = ()) -> int:
    done = subprocess.run(
        [*prefix, *command], cwd=workdir, env=environment(workdir), timeout=PATIENCE, check=False
    )
    return done.returncode


@contextmanager
def container(workdir: Path, prefix: Sequence[str] = ()) -> Iterator[tuple[int, int]]:
    """The image's command, started as docker would; give its pid, and the port once it is ready."""
    reading, writing = os.pipe()
    mine = {"PREFORK_BIND": "127.0.0.1:0", "PREFORK_READY_FD": str(writing)}
    process = subprocess.Popen(
        [*prefix, *COMMAND],
        cwd=workdir,
        env=environment(workdir, PREFORK_WORKERS="2", **mine),
        pass_fds=(writing,),
        start_new_session=True,
    )
    os.close(writing)
    try:
        assert select.select([reading], [], [], PATIENCE)[0], "not ready"
        announced = json.loads(os.read(reading, 65536))
        yield process.pid, int(announced["bind"][0].rpartition(":")[2])
        process.send_signal(signal.Signals[of("STOPSIGNAL")])
        assert process.wait(PATIENCE) == 0
    finally:
        os.close(reading)
        for pid in processes.session(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait()


def test_what_it_copies_exists_and_is_in_the_context() -> None:
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    kept = [line[1:] for line in ignored if line.startswith("!")]
    assert "*" in ignored
    assert sorted(copied(EVERY)) == sorted(kept)
    assert all((ROOT / name).exists() for name in kept)
    assert any(fnmatch("src/prefork/__pycache__", pattern) for pattern in ignored)


def test_its_python_is_one_that_the_package_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for word, rest in EVERY:
        if word == "FROM":
            version = re.match(r"python:(\d+\.\d+)-slim", rest)
            assert version
            assert f"Programming Language :: Python :: {version[1]}" in project["classifiers"]


def test_prefork_is_the_process_that_docker_starts_and_not_as_root() -> None:
    for command in (COMMAND, CHECK):
        assert command[0] == "prefork"
        assert command[1] in COMMANDS
    assert int(of("USER")) > 0


def test_its_settings_can_be_changed_from_outside() -> None:
    assert not [word for word in COMMAND if word.startswith("-")]
    assert VARIABLES["PREFORK_WORKERS"] == "max"
    assert VARIABLES["PREFORK_BIND"] == f"0.0.0.0:{of('EXPOSE')}"


def test_prefork_understands_the_command_and_the_variables(workdir: Path) -> None:
    assert run(["prefork", "check", *COMMAND[2:]], workdir) == 0


def test_the_command_serves_is_healthy_and_stops_in_time(workdir: Path) -> None:
    assert run(CHECK, workdir) == 1
    with container(workdir) as (_, port):
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            connection.request("GET", "/notes/welcome")
            assert json.loads(connection.getresponse().read())["title"] == "welcome"
        assert run(CHECK, workdir) == 0
    assert run(CHECK, workdir) == 1


def test_a_user_without_privileges_has_the_control_socket_in_the_temporary_folder(
    workdir: Path, nobody: Sequence[str]
) -> None:
    workdir.parent.chmod(0o1777)
    uid = 65534 if nobody else os.geteuid()
    with container(workdir, nobody):
        [socket] = (workdir.parent / f"prefork-{uid}").iterdir()
        assert socket.is_socket()
        assert run(CHECK, workdir, nobody) == 0
