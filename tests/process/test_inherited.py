"""Sockets that somebody else opened: served by every policy, and left open at the end."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.support.asking import Caller, ask
from tests.support.pacing import beats
from tests.support.policies import chiefly
from tests.support.processes import descriptors
from tests.support.program import PREFORK, ROOT, Program, interpreter
from tests.support.reloads import reload

from prefork.errors import ExitCode

PASSING = ("-m", "tests.support.passing")
VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
QUICK = ("--min-uptime", "0.2")  # the trial is not what is tested
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@contextmanager
def opened() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield listener


def stop(program: Program) -> None:
    program.signal(signal.SIGTERM)
    assert program.wait() == 0


@pytest.mark.parametrize("policy", chiefly("rr", "shared", "reuseport"))
def test_an_inherited_socket_is_served_and_what_waits_in_it_is_the_next_instances(
    serve: Serve, policy: str
) -> None:
    with opened() as listener:
        descriptor = listener.fileno()
        port = listener.getsockname()[1]
        options = ("--bind", f"fd://{descriptor}", "--workers", "2", "--policy", policy, *QUICK)
        program = serve(*options, passed=[descriptor])
        assert program.bind == [f"127.0.0.1:{port}"]
        assert ask(port, "/").pid in program.workers(2)
        assert reload(program)["state"] == "succeeded"
        assert ask(port, "/").pid in program.workers(2)
        stop(program)
        with closing(Caller(port)) as waiting:
            waiting.send("/")
            successor = serve(*options, passed=[descriptor])
            assert waiting.reply().pid in successor.workers(2)
            stop(successor)


def test_a_restart_refuses_nobody(serve: Serve) -> None:
    with opened() as listener:
        descriptor = listener.fileno()
        port = listener.getsockname()[1]
        asked: list[Caller] = []
        for _ in range(2):
            program = serve("--bind", f"fd://{descriptor}", passed=[descriptor])
            for number, _ in enumerate(beats(0.01, 0.1)):
                asked.append(Caller(port, number))
                asked[-1].send("/")
            stop(program)
        last = serve("--bind", f"fd://{descriptor}", passed=[descriptor])
        for caller in asked:
            assert caller.reply().status == 200
            caller.close()
        stop(last)


def test_what_else_was_inherited_stays_open_in_the_primary_and_reaches_no_worker(
    serve: Serve,
) -> None:
    reading, writing = os.pipe()
    with opened() as listener:
        passed = [listener.fileno(), writing]
        program = serve("--bind", f"fd://{listener.fileno()}", passed=passed)
        held = os.readlink(f"/proc/self/fd/{writing}")
        assert descriptors(program.pid)[writing] == held
        below = [descriptors(pid) for pid in program.tree()]
        assert all(held not in each.values() for each in below)
        stop(program)
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("kind", ["pipe", "closed", "idle"])
def test_what_is_no_listening_socket_is_told_in_a_line(tmp_path: Path, kind: str) -> None:
    reasons = {
        "pipe": "it is no socket",
        "closed": "it is no socket",
        "idle": "it is not listening",
    }
    redirection = {"pipe": "3</dev/null", "closed": "3<&-", "idle": ""}[kind]
    words = ["serve", "tests.support.apps:app", "--bind", "fd://3", "--app-dir", str(ROOT)]
    command = [*interpreter(tmp_path), *PREFORK, *words]
    with socket.socket() as idle:
        redirection = redirection or f"3<&{idle.fileno()}"
        done = subprocess.run(
            ["bash", "-c", f'"$@" {redirection}', "bash", *command],
            cwd=ROOT,
            pass_fds=[idle.fileno()],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    said = done.stderr.splitlines()
    assert len(said) == 1
    assert f"cannot take fd://3: {reasons[kind]}" in said[0]
    assert done.returncode == ExitCode.ADDRESS


# systemd


def test_sockets_that_systemd_passed_are_served_and_nobody_below_is_told(
    serve: Serve, tmp_path: Path
) -> None:
    path = str(tmp_path / "shop.sock")
    with opened() as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(path)
        unix.listen()
        passed = [tcp.fileno(), unix.fileno()]
        entry = (*PASSING, ",".join(map(str, passed)), *PREFORK)
        program = serve(app="tests.support.whose:variable", entry=entry, passed=passed)
        assert program.bind == [f"127.0.0.1:{tcp.getsockname()[1]}", f"unix:{path}"]
        for name in VARIABLES:
            assert ask(program.port, f"/{name}").body == b"nothing"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(REQUEST)
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        stop(program)
        assert os.path.exists(path)


def test_a_bind_beside_sockets_of_systemd_is_told_by_check_and_serve(tmp_path: Path) -> None:
    with opened() as listener:
        for command in ("check", "serve"):
            words = ["tests.support.apps:app", "--app-dir", str(ROOT), "--bind", "127.0.0.1:0"]
            entry = [*PASSING, str(listener.fileno()), *PREFORK, command, *words]
            done = subprocess.run(
                [*interpreter(tmp_path), *entry],
                cwd=ROOT,
                pass_fds=[listener.fileno()],
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
            )
            assert "systemd passed fd://3 (LISTEN_FDS), and bind doesn't name it" in done.stderr
            assert len(done.stderr.splitlines()) == 1
            assert done.returncode == 2


@pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None, reason="systemd is not installed"
)
def test_a_connection_to_systemd_starts_the_program_which_answers_it(tmp_path: Path) -> None:
    path = tmp_path / "shop.sock"
    activate = ["systemd-socket-activate", "-E", "XDG_RUNTIME_DIR", "-E", "PYTHONPATH"]
    words = ["serve", "tests.support.whose:variable", "--app-dir", str(ROOT)]
    command = interpreter(tmp_path)
    process = subprocess.Popen(
        [*command[:-1], *activate, "-l", str(path), sys.executable, *PREFORK, *words],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert "Listening on" in process.stderr.readline()
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(str(path))
            client.sendall(REQUEST.replace(b"/ ", b"/LISTEN_PID ", 1))
            with client.makefile("rb") as answer:
                assert answer.read().endswith(b"nothing")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        said = process.communicate()[1]
        print(f"--- prefork said:\n{said}")
