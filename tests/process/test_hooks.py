"""Hooks: each is called at its moment, in its process, and what it does wrong stays there."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.process.conftest import Serve
from tests.support import pacing
from tests.support.asking import Caller, ask
from tests.support.deploys import APP
from tests.support.processes import Watch
from tests.support.program import Outcome, Program, run
from tests.support.reloads import deploys_below, reload

from prefork.errors import ExitCode

MOMENTS = ("on_starting", "when_ready", "post_fork", "pre_stop", "worker_exit")
HOOKS = """\
import asyncio, dataclasses, json, os, subprocess, time

PLACE = "{place}/calls"


def note(moment, subject):
    line = json.dumps({{"moment": moment, "in": os.getpid(), **dataclasses.asdict(subject)}})
    file = os.open(PLACE, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode() + b"\\n")
    os.close(file)


def on_starting(instance): note("on_starting", instance)
async def when_ready(instance): note("when_ready", instance)
def post_fork(worker): note("post_fork", worker)
async def pre_stop(worker): note("pre_stop", worker)
def worker_exit(worker): note("worker_exit", worker)


def fails(subject): raise RuntimeError("no such queue")
def exits(subject): raise SystemExit(7)
def dies(subject): os._exit(9)
def hangs(subject): note("hangs", subject); time.sleep(3600)
async def waits(subject): note("waits", subject); await asyncio.sleep(3600)
def bears(subject): note("bears", subject); subprocess.run(["sleep", "600"])


async def cancels(subject):
    task = asyncio.create_task(asyncio.sleep(3600))
    await asyncio.sleep(0)
    task.cancel()
    await task
"""


def hooks(place: Path, **chosen: str) -> list[str]:
    """Write the module; return options that name a function of it for each moment."""
    (place / "hooks.py").write_text(HOOKS.format(place=place))
    return [
        word
        for moment, function in chosen.items()
        for word in (f"--{moment.replace('_', '-')}", f"hooks:{function}")
    ]


def calls(place: Path, moment: str | None = None) -> list[dict[str, Any]]:
    file = place / "calls"
    lines = file.read_text().splitlines() if file.exists() else []
    found = [json.loads(line) for line in lines]
    return [call for call in found if moment in (None, call["moment"])]


def start(serve: Serve, place: Path, *options: str, waits: bool = True) -> Program:
    return serve("--app-dir", str(place), "--workers", "2", *options, app=APP, waits=waits)


def serve_in_vain(place: Path, *options: str) -> Outcome:
    bind = ("--bind", "127.0.0.1:0", "--app-dir", str(place))
    return run("serve", APP, *bind, *options, home=place.parent)


def test_every_hook_is_called_at_its_moment_with_what_it_is_about(
    serve: Serve, tmp_path: Path
) -> None:
    place = deploys_below(tmp_path).place
    program = start(serve, place, *hooks(place, **{moment: moment for moment in MOMENTS}))
    workers = program.workers(2)
    program.journal.wait_for("ready")
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    order = [call["moment"] for call in calls(place) if call["moment"] != "when_ready"]
    assert order == ["on_starting", *["post_fork"] * 2, *order[3:]]
    assert sorted(order[3:]) == ["pre_stop"] * 2 + ["worker_exit"] * 2
    (starting,) = calls(place, "on_starting")
    instance = {"name": "shop", "pid": program.pid, "bind": program.bind, "workers": 2}
    assert {key: starting[key] for key in instance} == instance
    assert starting["in"] not in (program.pid, *workers)
    for moment in ("post_fork", "pre_stop", "worker_exit"):
        told = {(call["slot"], call["generation"], call["pid"]) for call in calls(place, moment)}
        assert told == {(0, 1, workers[0]), (1, 1, workers[1])}
        assert {call["in"] for call in calls(place, moment)} == set(workers)


def test_when_ready_is_called_once_in_a_process_of_its_own(serve: Serve, tmp_path: Path) -> None:
    place = deploys_below(tmp_path).place
    chosen = hooks(place, when_ready="when_ready")
    program = start(serve, place, "--log-level", "debug", *chosen)
    program.journal.wait_for("aide_done")
    reload(program)
    (ready,) = calls(place, "when_ready")
    assert ready["pid"] == program.pid
    assert ready["in"] not in (program.pid, *program.workers(2))


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("fails", "RuntimeError: no such queue"),
        ("exits", "SystemExit: 7"),
        ("dies", "ended with 9"),
    ],
)
def test_where_on_starting_fails_nothing_is_started(
    tmp_path: Path, function: str, said: str
) -> None:
    place = deploys_below(tmp_path).place
    outcome = serve_in_vain(place, *hooks(place, on_starting=function, post_fork="post_fork"))
    assert outcome.code == ExitCode.APP_START
    assert said in outcome.err
    assert outcome.err.count("Traceback") == (1 if function != "dies" else 0)
    assert outcome.err.splitlines()[-1].startswith("prefork: error: the hook on_starting failed")
    assert calls(place) == []
    assert list(tmp_path.rglob("*.sock")) == []


def test_an_on_starting_that_hangs_is_ended_by_start_timeout(tmp_path: Path) -> None:
    place = deploys_below(tmp_path).place
    outcome = serve_in_vain(place, *hooks(place, on_starting="hangs"), "--start-timeout", "0.5")
    assert outcome.code == ExitCode.APP_START
    assert "not done within 0.5 s (start_timeout)" in outcome.err


def test_what_a_hook_started_ends_with_a_hook_that_is_ended(serve: Serve, tmp_path: Path) -> None:
    place = deploys_below(tmp_path).place
    options = (*hooks(place, when_ready="bears"), "--start-timeout", "4")
    program = start(serve, place, *options)
    (failed,) = program.journal.wait_for("hook_failed")
    assert "start_timeout" in failed["reason"]
    with Watch(pid for pid in program.leftovers() if b"sleep" in command_line(pid)) as started:
        assert started.left(20) == []  # it was killed, and dies in its own time


def command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.parametrize("function", ["hangs", "bears"])
def test_a_stop_does_not_wait_for_on_starting_nor_leave_what_that_started(
    serve: Serve, tmp_path: Path, function: str
) -> None:
    place = deploys_below(tmp_path).place
    program = start(serve, place, *hooks(place, on_starting=function), waits=False)
    program.journal.wait_for("started")
    pacing.hold(0.5)  # so that it may have got as far as that
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert program.leftovers() == []
    assert not program.control.exists()


def test_a_when_ready_that_fails_is_told_and_harms_nothing(serve: Serve, tmp_path: Path) -> None:
    place = deploys_below(tmp_path).place
    program = start(serve, place, *hooks(place, when_ready="fails"))
    (failed,) = program.journal.wait_for("hook_failed")
    assert failed["hook"] == "when_ready"
    assert "no such queue" in failed["reason"]
    assert f'{place}/hooks.py"' in failed["detail"]
    assert "/src/prefork/" not in failed["detail"]
    assert ask(program.port, "/").status == 200


def test_a_hook_that_can_not_be_found_fails_the_start_and_names_it(tmp_path: Path) -> None:
    place = deploys_below(tmp_path).place
    outcome = serve_in_vain(place, *hooks(place, pre_stop="pre_stopp"))
    assert outcome.code == ExitCode.APP_IMPORT
    last = outcome.err.splitlines()[-1]
    assert "the hook pre_stop: no such attribute: module 'hooks' has no 'pre_stopp'" in last


@pytest.mark.parametrize("preload", ["on", "off"])
def test_a_worker_does_not_start_where_post_fork_fails(tmp_path: Path, preload: str) -> None:
    place = deploys_below(tmp_path).place
    outcome = serve_in_vain(place, *hooks(place, post_fork="fails"), "--preload", preload)
    assert outcome.code == ExitCode.APP_START
    assert "the hook post_fork raised: RuntimeError: no such queue" in outcome.err.splitlines()[-1]
    assert outcome.err.count("Traceback") == 1


def test_a_reload_brings_new_hooks_and_old_workers_end_with_theirs(
    serve: Serve, tmp_path: Path
) -> None:
    place = deploys_below(tmp_path).place
    program = start(serve, place, *hooks(place, worker_exit="worker_exit"))
    (place / "hooks.py").write_text(HOOKS.format(place=place).replace('"worker_exit",', '"new",'))
    assert reload(program)["state"] == "succeeded"
    program.settled(lambda stats: len(stats["workers"]) == 2)
    assert [call["moment"] for call in calls(place)] == ["worker_exit"] * 2
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert [call["moment"] for call in calls(place)] == ["worker_exit"] * 2 + ["new"] * 2


def test_a_reload_with_a_post_fork_that_fails_leaves_the_old_code(
    serve: Serve, tmp_path: Path
) -> None:
    place = deploys_below(tmp_path).place
    program = start(serve, place, *hooks(place, post_fork="post_fork"))
    workers = program.workers(2)
    broken = "def post_fork(worker): raise RuntimeError('no licence')\n"
    (place / "hooks.py").write_text(broken)
    status = reload(program)
    assert status["state"] == "failed"
    assert "no licence" in status["reason"]
    assert program.workers(2) == workers


def test_requests_are_answered_while_pre_stop_waits(serve: Serve, tmp_path: Path) -> None:
    place = deploys_below(tmp_path).place
    options = hooks(place, pre_stop="waits")
    program = start(serve, place, *options, "--graceful-timeout", "3")
    caller = Caller(program.port)
    assert caller.ask("/").status == 200
    program.signal(signal.SIGTERM)
    until_called(program, place, "waits")
    assert caller.ask("/").status == 200
    caller.close()
    cut = program.journal.wait_for("hook_cut", count=2)
    assert {entry["hook"] for entry in cut} == {"pre_stop"}
    program.wait()


def test_a_hook_that_cancels_and_waits_harms_no_request(serve: Serve, tmp_path: Path) -> None:
    place = deploys_below(tmp_path).place
    program = start(serve, place, *hooks(place, pre_stop="cancels"))
    caller = Caller(program.port)
    assert caller.ask("/").status == 200
    program.signal(signal.SIGTERM)
    failed = program.journal.wait_for("hook_failed", count=2)
    assert all(entry["reason"].endswith("CancelledError") for entry in failed)
    assert caller.ask("/").status == 200
    caller.close()
    assert program.wait() == 0


def test_a_second_signal_cuts_a_hook_that_waits(serve: Serve, tmp_path: Path) -> None:
    place = deploys_below(tmp_path).place
    program = start(serve, place, *hooks(place, pre_stop="waits"))
    program.signal(signal.SIGTERM)
    until_called(program, place, "waits")
    program.signal(signal.SIGTERM)
    program.journal.wait_for("hook_cut", count=2)
    assert program.wait() == 0


def until_called(program: Program, place: Path, moment: str) -> None:
    """Ask for statistics, which takes its time, until the hook has been called."""
    program.settled(lambda _: bool(calls(place, moment)))


def test_hooks_of_the_stop_that_fail_are_told_and_the_exit_is_clean(
    serve: Serve, tmp_path: Path
) -> None:
    place = deploys_below(tmp_path).place
    program = start(serve, place, *hooks(place, pre_stop="fails", worker_exit="exits"))
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    failed = [(entry["hook"], entry["reason"]) for entry in program.journal.entries("hook_failed")]
    assert sorted({hook for hook, _ in failed}) == ["pre_stop", "worker_exit"]
    assert len(failed) == 4


def test_a_killed_worker_runs_no_hook_and_its_successor_does(serve: Serve, tmp_path: Path) -> None:
    place = deploys_below(tmp_path).place
    chosen = hooks(place, post_fork="post_fork", worker_exit="worker_exit")
    program = start(serve, place, *chosen)
    victim = program.workers(2)[0]
    os.kill(victim, signal.SIGKILL)
    program.settled(lambda stats: victim not in [w["pid"] for w in stats["workers"]])
    program.workers(2)
    assert len(calls(place, "post_fork")) == 3
    assert calls(place, "worker_exit") == []
