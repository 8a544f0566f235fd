"""A reload: the new code is everywhere, the old is gone, and no request was lost."""

import itertools
import json
import os
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.process.conftest import Serve
from tests.support import pacing
from tests.support.asking import Caller, ask
from tests.support.deploys import APP, Deploys, Fault
from tests.support.load import Load
from tests.support.policies import POLICIES, chiefly
from tests.support.processes import Watch
from tests.support.program import PREFORK, Program, run, serving
from tests.support.reloads import deploys_below, ended, reload
from tests.support.tidings import Plan, Report

WORKERS = 2
CLIENTS: dict[str, Any] = {"per_request": 16, "keep_alive": 16, "posting": 16}
THINKING = 0.8  # seconds: idle at a drain, but not as long as an old worker keeps idle ones
GRACE = 5  # seconds that old workers have for their requests
QUICK = ("--min-uptime", "0.2")  # where the trial is not what is tested
WITHOUT_SUBREAPER = ("-m", "tests.support.without_subreaper")
THREAD = "import threading; threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()"


@dataclass(frozen=True, slots=True)
class Turn:
    """A version that serves. *since*: when the reload to it was known to have succeeded."""

    version: str
    pids: list[int]
    since: float


def start(serve: Serve, deploys: Deploys, *options: str, entry: Sequence[str] = PREFORK) -> Program:
    place = ("--app-dir", str(deploys.place), "--graceful-timeout", str(GRACE))
    return serve("--workers", str(WORKERS), *place, *options, app=APP, entry=entry)


def turn(program: Program, deploys: Deploys, version: str, *, at_import: str = "") -> Turn:
    """Deploy and reload; see the old processes leave in time."""
    deploys.write(version, at_import=at_import)
    with Watch(program.tree()) as old:
        status = reload(program)
        since = time.monotonic()
        assert status["state"] == "succeeded", status
        assert status["moved"] == status["slots"] == WORKERS
        assert old.left(4 * GRACE) == []
    return Turn(version, program.workers(WORKERS), since)


def loaded(program: Program, deploys: Deploys, reloads: int, seconds: float) -> Report:
    """Reload every so often under load; judge what the clients saw."""
    first = Turn("1", program.workers(WORKERS), 0.0)
    length = 2 * seconds + 60
    busy = Plan(port=program.port, pause=0.005, seconds=length, **CLIENTS)
    calm = Plan(port=program.port, pause=THINKING, seconds=length, **CLIENTS)
    with Load(busy) as load, Load(calm) as thoughtful:
        until = time.monotonic() + seconds
        turns = [
            turn(program, deploys, str(number))
            for number, _ in enumerate(pacing.beats(seconds / reloads, seconds), 2)
        ]
        pacing.hold(max(THINKING, until - time.monotonic()))
        report, thought = load.report(), thoughtful.report()
    judge(report, [first, *turns])
    assert thought.failures == []
    return report


def judge(report: Report, turns: list[Turn]) -> None:
    """Find nothing lost, each version where it belongs, and no old one after its time."""
    assert report.failures == []
    for each in turns:
        for pid in each.pids:
            assert {answered.mark for answered in report.of(pid)} == {each.version}
    for before, after in itertools.pairwise(turns):
        asked = [a.last for pid in before.pids for a in report.of(pid) if a.client == "per_request"]
        assert max(asked) < after.since, "old code answered a connection of after the reload"


@pytest.mark.parametrize("policy", chiefly("least", "shared"))
def test_reloads_under_load_lose_nothing(serve: Serve, tmp_path: Path, policy: str) -> None:
    deploys = deploys_below(tmp_path)
    program = start(serve, deploys, "--policy", policy, *QUICK)
    report = loaded(program, deploys, reloads=1, seconds=1)
    assert report.served > 500


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
def test_five_reloads_in_a_minute_of_load_lose_nothing(
    serve: Serve, tmp_path: Path, policy: str
) -> None:
    deploys = deploys_below(tmp_path)
    program = start(serve, deploys, "--policy", policy)
    report = loaded(program, deploys, reloads=5, seconds=60)
    told = f"{report.served} requests on {report.connections} connections"
    print(f"{policy}: {told}, the slowest in {report.slowest:.3f} s")
    assert report.served >= 50_000  # so 250,000 with the five policies; usually in each


@pytest.mark.parametrize(
    ("preload", "at_import", "entry"),
    [("off", "", PREFORK), ("auto", THREAD, PREFORK), ("auto", "", WITHOUT_SUBREAPER)],
    ids=["preload off", "a thread is left", "no subreaper"],
)
def test_reloads_of_code_that_workers_import_lose_nothing(
    serve: Serve, tmp_path: Path, preload: str, at_import: str, entry: Sequence[str]
) -> None:
    deploys = deploys_below(tmp_path)
    program = start(serve, deploys, "--preload", preload, *QUICK, entry=entry)
    with Load(Plan(port=program.port, per_request=4, keep_alive=4, posting=4)) as load:
        second = turn(program, deploys, "2", at_import=at_import)
        pacing.hold(0.3)
        judge(load.report(), [second])


@pytest.mark.parametrize("policy", ["rr", "shared"])
def test_requests_in_flight_are_answered_by_the_old_code(serve: Serve, policy: str) -> None:
    program = serve("--workers", "2", "--policy", policy, *QUICK)
    old = program.workers(2)
    with ExitStack() as opened:
        callers = [opened.enter_context(closing(Caller(program.port, n))) for n in range(8)]
        for caller in callers:
            caller.send("/slow?seconds=0.7")
        program.journal.wait_for_line("app: slow", count=len(callers))
        assert reload(program)["state"] == "succeeded"
        replies = [caller.reply() for caller in callers]
    assert {reply.status for reply in replies} == {200}
    assert {reply.pid for reply in replies} <= set(old)
    assert not set(program.workers(2)) & set(old)


def test_a_request_without_end_holds_an_old_worker_until_its_deadline(serve: Serve) -> None:
    program = serve("--workers", "1", "--graceful-timeout", "1", *QUICK)
    with closing(Caller(program.port)) as caller, Watch(program.workers(1)) as old:
        caller.send("/endless")
        program.journal.wait_for_line("app: endless")
        assert reload(program)["state"] == "succeeded"
        assert caller.reply().status == 503
        assert old.left(4 * GRACE) == []
    assert ask(program.port, "/pid").status == 200


def test_an_import_that_takes_long_is_not_felt(serve: Serve, tmp_path: Path) -> None:
    deploys = deploys_below(tmp_path)
    program = start(serve, deploys, *QUICK)
    with Load(Plan(port=program.port, apart=0.01)) as load:
        turn(program, deploys, "2", at_import="time.sleep(3)")
        report = load.report()
    assert report.failures == []
    assert report.slowest < 2.5
    assert report.marks() == {"1", "2"}


@pytest.mark.parametrize("policy", chiefly("rr", "reuseport"))
def test_the_command_waits_until_only_new_code_answers(
    serve: Serve, tmp_path: Path, policy: str
) -> None:
    deploys = deploys_below(tmp_path)
    program = start(serve, deploys, "--policy", policy, *QUICK)
    deploys.write("2")
    outcome = run("reload", "shop", "--wait", home=program.home)
    assert outcome.code == 0, outcome.err
    assert {ask(program.port, "/pid").mark for _ in range(20)} == {"2"}


@pytest.mark.parametrize("policy", ["shared", "reuseport"])
def test_a_reload_is_not_over_while_an_old_worker_may_accept(serve: Serve, policy: str) -> None:
    program = serve("--workers", "2", "--policy", policy, *QUICK)
    stopped = program.workers(2)[0]
    os.kill(stopped, signal.SIGSTOP)  # so it can't read that it is to stop
    program.signal(signal.SIGHUP)
    stats = program.settled(lambda stats: stats["reload"] and stats["reload"]["moved"] == 2)
    assert stats["reload"]["state"] == "running"
    os.kill(stopped, signal.SIGCONT)
    assert ended(program, 2)["state"] == "succeeded"


def test_deploys_in_quick_succession_are_all_loaded(serve: Serve, tmp_path: Path) -> None:
    """Python tells cached bytecode from its source by size and whole seconds alone."""
    deploys = deploys_below(tmp_path)
    program = start(serve, deploys, "--min-uptime", "0.05")
    for version in "2345":
        deploys.write(version, is_dated=False)
        assert reload(program)["state"] == "succeeded"
        assert {ask(program.port, "/pid").mark for _ in range(20)} == {version}


def test_hang_ups_during_a_reload_make_one_more(serve: Serve, tmp_path: Path) -> None:
    deploys = deploys_below(tmp_path)
    program = start(serve, deploys, *QUICK)
    program.signal(signal.SIGHUP)
    program.journal.wait_for("reload_started")
    deploys.write("2")
    for _ in range(5):
        program.signal(signal.SIGHUP)
    assert ended(program, 3)["state"] == "succeeded"
    assert {ask(program.port, "/pid").mark for _ in range(20)} == {"2"}
    stats = program.settled(lambda stats: len(stats["generations"]) == 1)
    assert stats["generation"] == 3
    assert len(program.journal.entries("reload_started")) == 2


def test_a_stop_cancels_a_reload(serve: Serve, tmp_path: Path) -> None:
    deploys = deploys_below(tmp_path)
    program = start(serve, deploys)
    deploys.write("2", Fault.HANGS)
    program.signal(signal.SIGHUP)
    program.settled(lambda stats: len(stats["templates"]) == 2)
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    assert len(program.journal.entries("reload_cancelled")) == 1
    assert program.leftovers() == []


def test_new_code_serves_nobody_while_it_is_on_trial(serve: Serve, tmp_path: Path) -> None:
    deploys = deploys_below(tmp_path)
    program = start(serve, deploys, "--min-uptime", "60")
    old = program.workers(WORKERS)
    deploys.write("2")
    program.signal(signal.SIGHUP)
    program.settled(lambda s: "ready" in [worker["state"] for worker in s["workers"]])
    assert {ask(program.port, "/pid").mark for _ in range(20)} == {"1"}
    assert serving(program.stats()) == old


def test_the_statistics_tell_of_both_generations(serve: Serve, tmp_path: Path) -> None:
    deploys = deploys_below(tmp_path)
    program = start(serve, deploys)
    deploys.write("2", Fault.HANGS)
    program.signal(signal.SIGHUP)
    program.settled(lambda stats: len(stats["templates"]) == 2)
    told = json.loads(run("stats", "shop", "--json", home=program.home).out)
    assert [each["generation"] for each in told["generations"]] == [1, 2]
    assert (told["generation"], told["reload"]["generation"]) == (1, 2)
    assert told["reload"]["state"] == "running"
