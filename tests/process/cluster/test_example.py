"""The example of every Node tutorial: a worker per CPU, respawned on exit, and a message to all."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support import processes
from tests.support.asking import ask
from tests.support.journal import Journal
from tests.support.program import ROOT

EXAMPLE = ROOT / "examples" / "cluster_basic.py"
LONGEST = 25  # lines


@pytest.fixture
def basic(tmp_path: Path) -> Iterator[tuple[int, Journal]]:
    """Run the example; gives its port, and what it and its workers print."""
    variables = {"PORT": "0", "XDG_RUNTIME_DIR": str(tmp_path)}
    running = subprocess.Popen(
        [sys.executable, str(EXAMPLE)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env=os.environ | variables,  # noqa: TID251 - a test's own, for its child
    )
    assert running.stdout is not None
    journal = Journal(os.dup(running.stdout.fileno()))
    running.stdout.close()
    [heard, *_] = journal.wait_for_line("listens on port")
    yield int(heard.split()[-1]), journal
    running.terminate()
    assert running.wait(20) == 0
    for pid in processes.session(running.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    journal.ended()


def test_a_worker_that_is_killed_is_replaced_and_its_successor_serves(
    basic: tuple[int, Journal],
) -> None:
    port, journal = basic
    count = len(os.sched_getaffinity(0))
    journal.wait_for_line("worker_ready", count=count)
    killed = pid_of(port)
    os.kill(killed, signal.SIGKILL)
    journal.wait_for_line("worker_ready", count=count + 1)
    seen = {pid_of(port) for _ in range(2 * count)}
    assert killed not in seen
    assert len(seen) == count
    journal.wait_for_line("heard:", count=count)


def pid_of(port: int) -> int:
    return int(ask(port, "/").body.split()[-1])


def test_it_is_as_short_as_a_tutorials() -> None:
    assert len(EXAMPLE.read_text().splitlines()) <= LONGEST
