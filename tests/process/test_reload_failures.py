"""New code that fails: the old code serves on, the operator learns why, the next reload works."""

import os
import signal
import time
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.support import pacing
from tests.support.asking import ask
from tests.support.deploys import APP, Deploys, Fault
from tests.support.load import Load
from tests.support.program import Outcome, Program, run, serving
from tests.support.reloads import deploys_below, reload
from tests.support.tidings import Plan

WORKERS = 2
LONG_TRIAL = ("--min-uptime", "5")  # for code that dies after 0.3 s
NEVER_SERVED = {  # what is told of new code that doesn't come to serve
    Fault.RAISES: "RuntimeError: a broken deploy",
    Fault.HANGS: "start",
    Fault.STARTUP_FAILS: "RuntimeError: no database",
    Fault.BLOCKS: "its event loop is blocked",
}


def start(serve: Serve, deploys: Deploys, *options: str) -> Program:
    place = ("--app-dir", str(deploys.place), "--workers", str(WORKERS))
    return serve(*place, "--min-uptime", "0.2", *options, app=APP)


def reload_and_wait(program: Program) -> Outcome:
    return run("reload", "shop", "--wait", home=program.home)


def assert_told(outcome: Outcome, reason: str) -> None:
    assert outcome.code == 1, outcome
    assert reason in outcome.err
    last = outcome.err.splitlines()[-1]
    assert last.startswith("prefork: error: shop: the reload failed: ")


def assert_next_one_works(program: Program, deploys: Deploys) -> None:
    deploys.write("3")
    outcome = reload_and_wait(program)
    assert outcome.code == 0, outcome.err
    assert {ask(program.port, "/pid").mark for _ in range(20)} == {"3"}


@pytest.mark.parametrize("fault", NEVER_SERVED)
@pytest.mark.parametrize("preload", ["auto", pytest.param("off", marks=pytest.mark.slow)])
def test_code_that_never_serves_is_not_noticed_by_clients(
    serve: Serve, tmp_path: Path, fault: Fault, preload: str
) -> None:
    deploys = deploys_below(tmp_path)
    limit = ("--start-timeout", "5" if fault in {Fault.HANGS, Fault.BLOCKS} else "60")
    program = start(serve, deploys, "--preload", preload, *limit)
    old = program.workers(WORKERS)
    deploys.write("2", fault)
    with Load(Plan(port=program.port, apart=0.005)) as load:
        outcome = reload_and_wait(program)
        pacing.hold(0.2)
        report = load.report()
    assert report.failures == []
    assert report.marks() == {"1"}
    assert_told(outcome, NEVER_SERVED[fault])
    stats = program.settled(lambda stats: len(stats["generations"]) == 1)
    assert serving(stats) == old
    assert (stats["state"], stats["generation"]) == ("serving", 1)
    assert stats["reload"]["state"] == "failed"
    assert stats["reload"]["reason"]


@pytest.mark.parametrize("policy", ["rr", "reuseport"])
def test_code_that_dies_when_it_is_ready_is_taken_back(
    serve: Serve, tmp_path: Path, policy: str
) -> None:
    """One slot has moved; it gets the old code again, from memory."""
    deploys = deploys_below(tmp_path)
    program = start(serve, deploys, "--policy", policy, *LONG_TRIAL)
    deploys.write("2", Fault.DIES)
    with Load(Plan(port=program.port, per_request=4, keep_alive=4, posting=4)) as load:
        outcome = reload_and_wait(program)
        program.settled(lambda s: {worker["generation"] for worker in s["workers"]} == {1})
        back = time.monotonic()
        pacing.hold(0.5)
        report = load.report()
    assert report.failures == []
    assert max(a.last for a in report.answers if a.mark == "2") <= back
    assert_told(outcome, "exited with code 1")
    stats = program.stats()
    assert len(serving(stats)) == WORKERS
    assert (stats["state"], stats["generation"]) == ("serving", 1)
    assert stats["reload"]["state"] == "failed"


def test_without_a_template_the_slots_that_moved_stay(serve: Serve, tmp_path: Path) -> None:
    """What is on disk is all the code there is."""
    deploys = deploys_below(tmp_path)
    program = start(serve, deploys, "--preload", "off", *LONG_TRIAL)
    deploys.write("2", Fault.DIES)
    with Load(Plan(port=program.port, per_request=4, keep_alive=4, posting=4)) as load:
        outcome = reload_and_wait(program)
        report = load.report()
    assert report.failures == []
    assert_told(outcome, f"1 of {WORKERS} workers keep the new code")
    assert len(program.workers(WORKERS)) == WORKERS


@pytest.mark.parametrize("preload", ["auto", "off"])
def test_reloads_can_fail_one_after_another_and_then_work(
    serve: Serve, tmp_path: Path, preload: str
) -> None:
    deploys = deploys_below(tmp_path)
    program = start(serve, deploys, "--preload", preload)
    old = program.workers(WORKERS)
    for number, fault in enumerate([Fault.RAISES, Fault.STARTUP_FAILS, Fault.RAISES], 2):
        deploys.write("2", fault)
        status = reload(program)
        assert (status["state"], status["generation"]) == ("failed", number)
    program.settled(lambda stats: len(stats["templates"]) == 1)
    assert program.workers(WORKERS) == old
    assert_next_one_works(program, deploys)


def test_the_log_has_the_applications_own_traceback(serve: Serve, tmp_path: Path) -> None:
    deploys = deploys_below(tmp_path)
    program = start(serve, deploys)
    deploys.write("2", Fault.RAISES)
    assert reload(program)["state"] == "failed"
    (failed,) = program.journal.wait_for("application_failed")
    assert f'File "{deploys.place}/deployed.py"' in failed["detail"]
    assert "prefork/worker" not in failed["detail"]
    (told,) = program.journal.wait_for("reload_failed")
    assert "a broken deploy" in told["reason"]


# -- a death while the code on disk is broken -----------------------------------------


def test_a_killed_worker_comes_back_at_once_though_the_code_on_disk_is_broken(
    serve: Serve, tmp_path: Path
) -> None:
    deploys = deploys_below(tmp_path)
    program = start(serve, deploys)
    deploys.write("2", Fault.RAISES)
    victim = program.workers(WORKERS)[0]
    os.kill(victim, signal.SIGKILL)
    program.settled(lambda s: len(found := serving(s)) == WORKERS and victim not in found)
    # At the first attempt: nothing was imported, and nothing was waited for.
    assert not program.journal.entries("application_failed")
    assert not program.journal.entries("backing_off")
    assert len(program.journal.entries("worker_exited")) == 1
    assert {ask(program.port, "/pid").mark for _ in range(20)} == {"1"}


def test_without_a_template_the_rest_serves_on_and_the_code_is_tried_again(
    serve: Serve, tmp_path: Path
) -> None:
    deploys = deploys_below(tmp_path)
    program = start(serve, deploys, "--preload", "off")
    deploys.write("2", Fault.RAISES)
    os.kill(program.workers(WORKERS)[0], signal.SIGKILL)
    with Load(Plan(port=program.port, apart=0.005)) as load:
        waits = program.journal.wait_for("backing_off", count=4)
        assert load.report().failures == []
    seconds = [entry["seconds"] for entry in waits]
    assert seconds == sorted(seconds)
    stats = program.stats()
    assert (stats["state"], len(serving(stats))) == ("degraded", WORKERS - 1)
    deploys.write("3")
    program.workers(WORKERS)
    assert program.stats()["state"] == "serving"
