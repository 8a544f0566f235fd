"""More workers and fewer: none lost, the last ones go first, and at least one stays."""

import signal
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.support import pacing
from tests.support.asking import ask
from tests.support.deploys import APP
from tests.support.load import Load
from tests.support.policies import chiefly
from tests.support.processes import Watch
from tests.support.program import Program, run
from tests.support.reloads import deploys_below, reload
from tests.support.tidings import Plan

GRACE = 5  # seconds that a worker which goes has for its requests
STEPS = (2, 6, 4)
QUICK = ("--min-uptime", "0.4")  # of the trial of new code


def scale(program: Program, wanted: str, count: int) -> list[int]:
    """Ask by the command for *wanted* workers; return the pids of the *count* that serve then."""
    before = program.workers(int(program.stats()["workers_wanted"]))
    outcome = run("scale", "shop", wanted, home=program.home)
    assert outcome.code == 0, outcome.err
    with Watch(before[count:]) as dismissed:
        assert dismissed.left(4 * GRACE) == []
    after = program.workers(count)
    assert after[: len(before)] == before[:count]  # those that stay are the same
    assert program.stats()["workers_wanted"] == count
    return after


@pytest.mark.parametrize("rounds", [1, pytest.param(8, marks=pytest.mark.slow)])
@pytest.mark.parametrize("policy", chiefly("rr", "reuseport"))
def test_scaling_under_load_loses_nothing(serve: Serve, policy: str, rounds: int) -> None:
    program = serve("--workers", "4", "--policy", policy, "--graceful-timeout", str(GRACE))
    plan = Plan(port=program.port, per_request=16, keep_alive=16, posting=16, pause=0.005)
    with Load(plan) as load:
        asked = set(program.workers(4))
        for count in STEPS * rounds:
            asked |= set(scale(program, str(count), count))
            pacing.hold(0.3)
        report = load.report()
    assert report.failures == []
    assert report.served > 2000
    served = {answered.pid for answered in report.answers if answered.client == "per_request"}
    # Each that came got its share; but under `hash` 16 addresses needn't reach six slots, and
    # under `shared` whoever is awake may take all.
    assert served == asked or policy in ("hash", "shared")


def test_signals_add_and_remove_one(serve: Serve) -> None:
    program = serve("--workers", "2")
    first = program.workers(2)
    for number, count in [(signal.SIGTTIN, 3), (signal.SIGTTIN, 4), (signal.SIGTTOU, 3)]:
        program.signal(number)
        program.settled(lambda stats, count=count: stats["workers_wanted"] == count)  # type: ignore[misc]
        assert program.workers(count)[:2] == first


def test_the_command_takes_differences(serve: Serve) -> None:
    program = serve("--workers", "2")
    assert len(scale(program, "+2", 4)) == 4
    assert len(scale(program, "-3", 1)) == 1


@pytest.mark.parametrize("wanted", ["0", "-2", "+5000", "100000"])
def test_a_number_out_of_bounds_is_refused_and_nothing_changes(serve: Serve, wanted: str) -> None:
    program = serve("--workers", "2")
    before = program.workers(2)
    outcome = run("scale", "shop", wanted, home=program.home)
    assert outcome.code != 0
    assert outcome.err.count("\n") == 1
    assert program.workers(2) == before


def test_the_last_worker_stays_whatever_is_signalled(serve: Serve) -> None:
    program = serve("--workers", "1")
    before = program.workers(1)
    program.signal(signal.SIGTTOU)
    program.journal.wait_for("scale_refused")
    assert program.workers(1) == before
    assert ask(program.port, "/pid").pid == before[0]


def test_workers_that_were_added_are_reloaded_too(serve: Serve, tmp_path: Path) -> None:
    deploys = deploys_below(tmp_path)
    program = serve("--workers", "1", "--app-dir", str(deploys.place), *QUICK, app=APP)
    scale(program, "3", 3)
    deploys.write("2")
    status = reload(program)
    assert (status["state"], status["moved"]) == ("succeeded", 3)
    assert {ask(program.port, "/pid").mark for _ in range(20)} == {"2"}


def test_scaling_during_a_reload_ends_with_new_code_in_every_slot(
    serve: Serve, tmp_path: Path
) -> None:
    deploys = deploys_below(tmp_path)
    program = serve("--workers", "2", "--app-dir", str(deploys.place), *QUICK, app=APP)
    deploys.write("2")
    with Load(Plan(port=program.port, per_request=4, keep_alive=4, posting=4)) as load:
        program.signal(signal.SIGHUP)
        program.settled(lambda stats: stats["reload"] is not None)
        for _ in range(2):
            program.signal(signal.SIGTTIN)
            program.journal.wait_for("scaled")
        program.settled(lambda stats: stats["reload"]["state"] == "succeeded", timeout=20)
        program.workers(int(program.stats()["workers_wanted"]))
        report = load.report()
    assert report.failures == []
    assert {ask(program.port, "/pid").mark for _ in range(20)} == {"2"}
