"""Where there is no subreaper the primary forks workers itself: same messages, same promises."""

import os
import signal
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.support.asking import ask
from tests.support.deploys import APP, Fault
from tests.support.reloads import deploys_below, reload

ENTRY = ("-m", "tests.support.without_subreaper")


@pytest.mark.parametrize("policy", ["rr", "shared"])
def test_workers_serve_are_replaced_and_stop_without_a_template(serve: Serve, policy: str) -> None:
    program = serve("--workers", "2", "--policy", policy, entry=ENTRY)
    assert program.stats()["templates"] == []
    assert ask(program.port, "/pid").status == 200
    victim = program.workers(2)[0]
    os.kill(victim, signal.SIGKILL)
    program.settled(lambda stats: victim not in [w["pid"] for w in stats["workers"]])
    assert victim not in program.workers(2)
    assert program.stats()["state"] == "serving"
    program.signal(signal.SIGTERM)
    assert program.wait() == 0


def test_a_reload_works_and_fails_without_a_template(serve: Serve, tmp_path: Path) -> None:
    deploys = deploys_below(tmp_path)
    options = ("--workers", "2", "--min-uptime", "0.2", "--app-dir", str(deploys.place))
    program = serve(*options, app=APP, entry=ENTRY)
    deploys.write("2", Fault.RAISES)
    assert reload(program)["state"] == "failed"
    assert {ask(program.port, "/pid").mark for _ in range(10)} == {"1"}
    deploys.write("3")
    assert reload(program)["state"] == "succeeded"
    assert {ask(program.port, "/pid").mark for _ in range(10)} == {"3"}
