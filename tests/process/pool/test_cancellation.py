"""A client that leaves frees the process that works for it."""

import os
import signal
import time
from pathlib import Path
from statistics import median

import pytest
from tests.process.conftest import Serve
from tests.support.asking import Caller, ask
from tests.support.program import Program

APP = "tests.support.pooled:handler"


def begun(program: Program, path: str, log: Path) -> Caller:
    """Ask, and wait until the task has begun."""
    caller = Caller(program.port)
    caller.send(f"{path}?path={log}")
    program.settled(lambda stats: any(each["task"] for each in stats["pool"]))
    program.settled(lambda _: log.exists())
    return caller


@pytest.mark.alone
def test_a_python_task_is_ended_within_100_ms(serve: Serve, tmp_path: Path) -> None:
    program = serve("--pool", "1", app=APP)
    took = []
    for number in range(5):
        caller = begun(program, "/tidy", tmp_path / f"log{number}")
        left = time.monotonic()
        caller.close()
        program.settled(lambda stats: not stats["pool"][0]["task"])
        took.append(time.monotonic() - left)
        assert (tmp_path / f"log{number}").read_text().split() == ["begun", "tidied"]
    assert median(took) < 0.1, took  # a machine may be busy at one or two of them
    assert not program.journal.entries("pool_exited")


def test_a_task_that_never_returns_to_python_is_killed_after_the_grace(
    serve: Serve, tmp_path: Path
) -> None:
    program = serve("--pool", "1", "--pool-grace", "0.3", app=APP)
    caller = begun(program, "/hold", tmp_path / "pid")
    left = time.monotonic()
    caller.close()
    [death] = program.journal.wait_for("pool_exited")
    assert time.monotonic() - left >= 0.3
    assert death["status"] == -9
    assert "tests.pool.work:hold was cancelled and did not end within 0.3 s" in death["reason"]
    assert ask(program.port, "/").status == 200


@pytest.mark.parametrize("path", ["/tidy", "/hold"], ids=["python", "c"])
def test_a_worker_that_is_killed_frees_the_process_that_worked_for_it(
    serve: Serve, tmp_path: Path, path: str
) -> None:
    program = serve("--pool", "1", "--pool-grace", "0.3", app=APP)
    [worker] = program.workers(1)
    caller = begun(program, path, tmp_path / "log")
    os.kill(worker, signal.SIGKILL)
    program.journal.wait_for("pool_exited")
    program.journal.wait_for("pool_ready", count=2)
    caller.close()
    program.settled(lambda stats: stats["state"] == "serving")
    assert ask(program.port, "/").status == 200
