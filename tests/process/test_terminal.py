"""What a start looks like at a terminal, and elsewhere."""

import os
import pty
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.journal import Journal
from tests.support.program import PREFORK, ROOT, interpreter

GREEN, RED = "\x1b[1;32m", "\x1b[1;31m"
HELLO = ("hello:handler", "--app-dir", "examples", "--bind", "127.0.0.1:0")


@contextmanager
def shown(home: Path, arguments: Sequence[str], *, at: str, **variables: str) -> Iterator[Journal]:
    """Serve, with standard error *at* a terminal or a pipe, until the test has seen enough."""
    reading, writing = pty.openpty() if at == "terminal" else os.pipe()
    always = ["env", "-u", "NO_COLOR", "TERM=xterm", *(f"{k}={v}" for k, v in variables.items())]
    program = subprocess.Popen(
        [*always, *interpreter(home), *PREFORK, "serve", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=writing,
        start_new_session=True,
        cwd=ROOT,
    )
    os.close(writing)
    try:
        yield Journal(reading)
    finally:
        program.send_signal(signal.SIGTERM)
        assert program.wait() is not None


def test_a_terminal_shows_the_block_in_colours(tmp_path: Path) -> None:
    with shown(tmp_path, HELLO, at="terminal") as journal:
        (title,) = journal.wait_for_line(" serves hello:handler")
        journal.wait_for_line("Ctrl-C stops")
    assert title.startswith(GREEN)


def test_a_pipe_gets_the_same_words_without_colours(tmp_path: Path) -> None:
    with shown(tmp_path, HELLO, at="pipe") as journal:
        journal.wait_for_line("Ctrl-C stops")
    lines = journal.text.splitlines()
    labels = [line.split()[0] for line in lines if line.startswith("  ")]
    assert labels == ["address", "workers", "interface", "preload", "control"]
    assert "\x1b" not in journal.text


def test_who_wants_no_colours_gets_none(tmp_path: Path) -> None:
    with shown(tmp_path, HELLO, at="terminal", NO_COLOR="1") as journal:
        journal.wait_for_line("Ctrl-C stops")
    assert "\x1b" not in journal.text


def test_machines_get_no_block(tmp_path: Path) -> None:
    with shown(tmp_path, (*HELLO, "--log-format", "json"), at="pipe") as journal:
        journal.wait_for("ready")
    assert all(line.startswith("{") for line in journal.text.splitlines())


def test_who_asked_for_warnings_alone_gets_no_block(tmp_path: Path) -> None:
    arguments = (*HELLO, "--log-level", "warning", "--when-ready", "hello:handler")
    with shown(tmp_path, arguments, at="pipe") as journal:
        journal.wait_for_line("hook_failed")  # so it is ready
    assert "serves" not in journal.text


def test_an_error_is_seen_from_afar(tmp_path: Path) -> None:
    arguments = (*HELLO, "--when-ready", "hello:nothing")
    with shown(tmp_path, arguments, at="terminal") as journal:
        (line,) = journal.wait_for_line("hook_failed")
    assert f"{RED}error" in line


def test_why_workers_import_for_themselves_is_in_the_block(tmp_path: Path) -> None:
    source = "import threading\nthreading.Thread(target=threading.Event().wait, name='poller', "
    source += "daemon=True).start()\nasync def handler(request): return 'x'\n"
    (tmp_path / "threaded.py").write_text(source)
    arguments = ("threaded:handler", "--app-dir", str(tmp_path), "--bind", "127.0.0.1:0")
    with shown(tmp_path, arguments, at="pipe") as journal:
        (line,) = journal.wait_for_line("  preload ")
    assert "no: thread 'poller'" in line
    assert "each worker imports the application" in line
