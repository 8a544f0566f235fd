"""Workers whose event loop does not turn: seen, told, kept out of rotation, replaced."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.process.conftest import Serve
from tests.support import pacing, processes
from tests.support.asking import Caller, ask
from tests.support.policies import POLICIES
from tests.support.program import Outcome, Program, Stats, run
from tests.support.pulse import Pulse

WARN = 2.0  # seconds: the default of block_warn
TWO = ("--workers", "2")
WEDGES = {  # by path: what the dump must have
    "/wedge": r"apps\.py\", line \d+,? in behave",
    "/nap?seconds=60": r"pacing\.py\", line \d+,? in hold",
    "/hold": r"apps\.py\", line \d+ in behave",
    "stop": r"no stacks: it is stopped, and nothing in it can run \(state T",
}
VERDICTS = {"/wedge": "loop", "/nap?seconds=60": "loop", "/hold": "interpreter", "stop": "stopped"}


def halt(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    processes.until_state(pid, "T")


@contextmanager
def wedged(program: Program, how: str) -> Iterator[int]:
    """Have one of the workers hang; yields its pid."""
    if how == "stop":
        victim = program.workers(2)[0]
        halt(victim)
        yield victim
        return
    with closing(Caller(program.port, 250)) as caller:
        caller.send(how)
        word = {"/wedge": "wedged", "/hold": "holds", "/crowd": "crowded"}.get(how, "naps")
        yield int(program.journal.wait_for_line(f"app: {word} in")[0].split()[-1])


def pids(stats: Stats) -> list[int]:
    return [worker["pid"] for worker in stats["workers"]]


def blocked(program: Program, count: int = 1) -> dict[str, Any]:
    """Wait until the log tells of one that is blocked."""
    return program.journal.wait_for("worker_blocked", count=count, timeout=60)[-1]


@pytest.mark.parametrize("how", WEDGES)
def test_a_worker_that_hangs_is_noticed_dumped_aborted_and_replaced(serve: Serve, how: str) -> None:
    program = serve(*TWO, "--worker-timeout", "4")
    with wedged(program, how) as victim:
        before = processes.run_delay(victim)
        found = blocked(program)
        own = found["seconds"]  # without what it waited for a core, which is the machine's doing
        assert (found["pid"], found["verdict"]) == (victim, VERDICTS[how])
        assert WARN <= own < WARN + 0.5 + processes.run_delay(victim) - before
        assert re.search(WEDGES[how], found["detail"]), found["detail"]
        gone = program.journal.wait_for("worker_exited", timeout=60)[0]
    assert gone["pid"] == victim
    assert gone["status"] == (-signal.SIGKILL if how == "stop" else -signal.SIGABRT)
    assert gone["reason"].endswith("for 4 s (worker_timeout)")
    assert victim not in program.workers(2)
    assert ask(program.port, "/pid").status == 200
    totals = program.stats()["totals"]
    assert (totals["blocks"], totals["timeouts"]) == (1, 1)


def test_one_that_hangs_while_it_drains_is_no_timeout(serve: Serve) -> None:
    """It is killed at the end of its grace, and nobody has aborted it."""
    limits = ("--worker-timeout", "5", "--graceful-timeout", "4", "--min-uptime", "0.2")
    program = serve(*TWO, *limits)
    with wedged(program, "/wedge") as victim:
        blocked(program)
        program.signal(signal.SIGHUP)
        gone = program.journal.wait_for("worker_exited", count=2, timeout=60)
    (killed,) = [each for each in gone if each["pid"] == victim]
    assert killed["reason"] == "did not finish in time"
    totals = program.stats()["totals"]
    assert (totals["blocks"], totals["timeouts"]) == (1, 0)


@pytest.mark.alone
@pytest.mark.parametrize(
    ("policy", "how"),
    [
        ("rr", "/wedge"),
        ("reuseport", "stop"),
        *(
            pytest.param(policy, how, marks=pytest.mark.slow)
            for policy in POLICIES
            for how in WEDGES
        ),
    ],
)
def test_new_connections_do_not_wait_for_a_worker_that_hangs(
    serve: Serve, policy: str, how: str
) -> None:
    program = serve(*TWO, "--policy", policy, "--worker-timeout", "0")
    calm = serve("--workers", "1")
    with wedged(program, how) as victim:
        with Pulse(program.port) as pulse, Pulse(calm.port) as beside:
            blocked(program)  # from here on it is out of rotation
            program.settled(lambda stats: int(stats["totals"]["requests"]) > 400, timeout=60)
        [[times], [others]] = pulse.times, beside.times
        print(f"harassed: {times}\ncalm: {others}")
        assert victim in pids(program.stats())
        assert not times.failed
        # Both are asked all the time, so the calm one tells for how long the machine stood still.
        assert times.p99 < 300 + 2 * others.p99
        assert times.longest < (1000 if policy in ("rr", "least") else 2500) + 2 * others.longest


def test_a_worker_that_turns_again_is_back_in_rotation(serve: Serve) -> None:
    program = serve(*TWO)
    with wedged(program, "/nap?seconds=4") as victim:
        blocked(program)
        program.settled(lambda stats: stats["state"] == "degraded")
        assert {ask(program.port, "/pid").pid for _ in range(6)} == {*program.workers(2)} - {victim}
        recovered = program.journal.wait_for("worker_recovered", timeout=20)[0]
    assert recovered["pid"] == victim
    assert recovered["seconds"] > 3
    program.settled(lambda stats: stats["state"] == "serving")
    assert {ask(program.port, "/pid").pid for _ in range(6)} == {*program.workers(2)}
    assert victim in program.workers(2)


def test_all_workers_that_hang_at_once_are_replaced(serve: Serve) -> None:
    program = serve("--workers", "3", "--worker-timeout", "3")
    old = program.workers(3)
    for pid in old:
        halt(pid)
    with closing(Caller(program.port, timeout=30)) as caller:
        assert caller.ask("/pid").pid not in old
    program.settled(lambda stats: not {*old} & {*pids(stats)}, timeout=20)
    program.workers(3)


def everybody(program: Program) -> list[int]:
    return [*program.tree(), program.pid]


@pytest.mark.parametrize(
    ("timeout", "seconds"), [("2", 4.0), pytest.param("3", 10.0, marks=pytest.mark.slow)]
)
def test_nobody_is_killed_because_all_of_us_were_stopped(
    serve: Serve, timeout: str, seconds: float
) -> None:
    program = serve("--workers", "4", "--worker-timeout", timeout)
    before = program.workers(4)
    pids = everybody(program)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    pacing.hold(seconds)
    program.signal(signal.SIGCONT)
    pacing.hold(0.3)  # it finds its workers as silent as they were
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    pacing.hold(float(timeout) + 1)
    assert program.workers(4) == before
    assert "worker_blocked" not in program.journal.text


@contextmanager
def hogs(count: int) -> Iterator[None]:
    """Have so many processes use all the time that there is, before us."""
    spin = [sys.executable, "-c", "while True: pass"]
    with ExitStack() as running:
        for _ in range(count):
            hog = subprocess.Popen(["nice", "-n", "-5", *spin])
            running.callback(hog.wait)
            running.callback(hog.kill)
        yield


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may run before others")
@pytest.mark.parametrize(
    ("timeout", "seconds"), [("2", 4.0), pytest.param("3", 10.0, marks=pytest.mark.slow)]
)
def test_nobody_is_killed_because_the_machine_is_busy(
    serve: Serve, timeout: str, seconds: float
) -> None:
    program = serve("--workers", "4", "--worker-timeout", timeout)
    before = program.workers(4)
    with hogs(16):
        pacing.hold(seconds)
    pacing.hold(1)
    assert program.workers(4) == before
    assert "worker_timeout" not in program.journal.text


def test_time_in_which_a_worker_gets_no_core_is_told_and_does_not_count(serve: Serve) -> None:
    program = serve(*TWO, "--worker-timeout", "4")
    with wedged(program, "/crowd") as victim:
        starved = program.journal.wait_for("worker_starved", timeout=60)[0]
        pacing.hold(3.0)
        assert victim in pids(program.stats())
        assert starved["pid"] == victim
        assert "worker_timeout" not in program.journal.text
        for hog in processes.children(victim):
            os.kill(hog, signal.SIGKILL)
        assert blocked(program)["pid"] == victim, "now it gets one, and makes nothing of it"


def test_a_wsgi_worker_whose_threads_are_all_busy_is_not_blocked(
    serve: Serve, tmp_path: Path
) -> None:
    program = serve("--threads", "2", app="tests.support.gateway:app")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ExitStack() as opened:
        callers = [opened.enter_context(closing(Caller(program.port, n))) for n in range(3)]
        for caller in callers:
            caller.send(f"/hold{pipe}")
        program.journal.wait_for_line("app: holds", count=2)
        pacing.hold(WARN + 1)
        assert "worker_blocked" not in program.journal.text
        for count in (2, 3):
            pipe.write_bytes(b"")
            program.journal.wait_for_line("app: lets go", count=count)
        assert [caller.reply().status for caller in callers] == [200] * 3


def test_a_worker_that_hangs_while_it_drains_is_dumped_and_has_the_deadline_of_its_drain(
    serve: Serve,
) -> None:
    program = serve(*TWO, "--graceful-timeout", "3", "--worker-timeout", "60")
    with wedged(program, "/nap?seconds=60") as victim:  # it doesn't need a core, as the wedge does
        start = time.monotonic()
        program.signal(signal.SIGTERM)
        assert blocked(program)["pid"] == victim
        assert program.wait(15) == 6
        assert time.monotonic() - start > 2.9


# -- prefork dump ------------------------------------------------------------


def dump(program: Program, *words: str) -> Outcome:
    return run("dump", *words, home=program.home)


@pytest.mark.parametrize("how", WEDGES)
def test_a_dump_tells_where_a_worker_hangs_before_anybody_has_noticed(
    serve: Serve, how: str
) -> None:
    program = serve(*TWO)
    with wedged(program, how) as victim:
        [slot] = [w["slot"] for w in program.stats()["workers"] if w["pid"] == victim]
        outcome = dump(program, "shop", str(slot))
    assert outcome.code == 0, outcome.err
    assert f"worker {slot}, pid {victim}, generation 1" in outcome.out
    assert re.search(WEDGES[how], outcome.out), outcome.out


def test_a_dump_of_all_tells_of_requests_and_tasks_and_harms_nobody(serve: Serve) -> None:
    program = serve(*TWO)
    before = program.workers(2)
    with closing(Caller(program.port)) as caller:
        caller.send("/slow?seconds=3")
        program.journal.wait_for_line("app: slow in")
        outcome = dump(program, "--json")
        assert outcome.code == 0, outcome.err
        told = json.loads(outcome.out)["workers"]
        assert [each["pid"] for each in told] == before
        [busy] = [each for each in told if each["requests"]]
        assert busy["requests"] == ["GET /slow"]
        [task] = [task for task in busy["tasks"] if task["name"] == "request (GET /slow)"]
        assert [frame["function"] for frame in task["frames"]][:3] == ["app", "behave", "think"]
        assert caller.reply().status == 200
    assert program.workers(2) == before


def test_a_dump_during_an_import_and_of_a_slot_that_is_not_there_is_told_why_not(
    serve: Serve, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "importing.py").write_text(
        f"from tests.support.apps import app, tell\ntell('imports')\nopen({str(pipe)!r}).read()\n"
    )
    options = ("--app-dir", str(tmp_path), "--preload", "off")
    program = serve(*options, app="importing:app", waits=False, entry=("-m", "prefork"))
    program.journal.wait_for_line("app: imports")
    outcome = dump(program)
    assert re.search(r"importing\.py\", line 3,? in <module>", outcome.out), outcome
    outcome = dump(program, "shop", "9")
    assert outcome.code == 1
    assert outcome.err == "prefork: error: shop: there is no worker in slot 9 now\n"
    pipe.write_bytes(b"")
    program.wait_ready()


def test_a_blocked_worker_is_shown_as_that_and_counted(serve: Serve) -> None:
    program = serve(*TWO, "--worker-timeout", "0")
    with wedged(program, "/wedge"):
        blocked(program)
        status = run("status", home=program.home)
        assert status.code == 1
        assert "degraded, 1 of 2 workers ready" in status.out
        assert " blocked " in status.out
        assert program.stats()["totals"]["blocks"] == 1


def test_an_applications_own_use_of_faulthandler_is_not_disturbed(serve: Serve) -> None:
    program = serve(app="tests.support.faulty:app")
    [pid] = program.workers(1)
    os.kill(pid, signal.SIGRTMIN + 5)
    program.journal.wait_for_line("most recent call first")
    assert dump(program).code == 0
    os.kill(pid, signal.SIGABRT)
    program.journal.wait_for_line("Fatal Python error: Aborted")
    program.settled(lambda stats: pid not in pids(stats))
