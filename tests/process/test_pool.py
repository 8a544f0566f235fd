"""The pool's processes: what they are, what they hold, and when they come and go."""

import json
import os
import signal
from contextlib import ExitStack, closing
from itertools import combinations
from typing import Any

import pytest
from tests.process.conftest import Serve
from tests.support import processes
from tests.support.asking import Caller, ask
from tests.support.holdings import census, kinds, sockets
from tests.support.processes import Watch
from tests.support.program import Program, Stats, run

from prefork.errors import ExitCode

APP = "tests.support.tasks:app"
NO_TEMPLATE = ("-m", "tests.support.without_subreaper")


def pool(stats: Stats, *states: str) -> list[int]:
    """Return the pids of the pool's processes in these states, by slot; "ready" if none is told."""
    wanted = states or ("ready",)
    found = sorted(stats["pool"], key=lambda each: int(each["slot"]))
    return [each["pid"] for each in found if each["state"] in wanted]


def pooled(program: Program, count: int) -> list[int]:
    """Wait until so many are ready, and no other is there; return their pids."""
    stats = program.settled(lambda s: len(pool(s)) == count == len(s["pool"]))
    return pool(stats)


def replace(program: Program, victim: int, count: int) -> None:
    """Kill a process, and wait until *count* are ready again."""
    os.kill(victim, signal.SIGKILL)
    program.settled(lambda stats: len(pool(stats)) == count and victim not in pool(stats))


def answer(program: Program, path: str) -> Any:
    return json.loads(ask(program.port, path).body)


def answers(program: Program, path: str, count: int) -> list[Any]:
    """Ask until so many processes have answered, by their pids."""
    found: dict[int, Any] = {}
    for _ in range(500):
        told = answer(program, path)
        found.setdefault(told["pid"], told)
        if len(found) == count:
            return list(found.values())
    raise AssertionError(f"{len(found)} of {count} processes have answered")


@pytest.mark.parametrize("entry", [("-m", "prefork"), NO_TEMPLATE], ids=["template", "none"])
@pytest.mark.parametrize("preload", ["on", "off"])
def test_each_process_is_named_nice_warm_and_draws_numbers_of_its_own(
    serve: Serve, preload: str, entry: tuple[str, ...]
) -> None:
    options = ("--pool-nice", "5", "--pool-initializer", "tests.support.tasks:warm_up")
    program = serve(
        *("--workers", "2", "--pool", "3", "--preload", preload, *options), app=APP, entry=entry
    )
    told = answers(program, "/told", 3)
    assert {each["pid"] for each in told} == set(pooled(program, 3))
    titles = {f"prefork: pool {slot} g1 [{APP}]" for slot in range(3)}
    assert {each["title"] for each in told} == titles
    base = os.nice(0)
    assert [(each["nice"], each["warm"]) for each in told] == [(base + 5, 64 << 20)] * 3
    assert len({each["drawn"] for each in told}) == 3


def test_what_they_print_is_tagged_with_their_place(serve: Serve) -> None:
    program = serve(
        *("--workers", "1", "--pool", "2", "--capture-output"),
        *("--pool-initializer", "tests.support.tasks:warm_up"),
        app=APP,
    )
    lines = program.journal.wait_for_line("app: warm", count=2)
    assert sorted(json.loads(line)["from"] for line in lines) == ["p0", "p1"]


def test_one_that_dies_is_replaced_in_its_place_and_no_other(serve: Serve) -> None:
    program = serve("--workers", "2", "--pool", "2", app=APP)
    first, second = pooled(program, 2)
    answers(program, "/told", 2)
    done = program.stats()["tasks"]["done"]
    replace(program, first, 2)
    stats = program.stats()
    assert pool(stats)[1] == second
    assert {each["pid"] for each in answers(program, "/told", 2)} == set(pool(stats))
    [died] = program.journal.wait_for("pool_exited")
    assert (died["slot"], died["pid"], died["status"]) == (0, first, -signal.SIGKILL)
    assert program.stats()["tasks"]["done"] > done, "what a dead process had done is forgotten"


def test_a_first_start_whose_initializer_fails_says_so(serve: Serve) -> None:
    program = serve(
        *("--workers", "1", "--pool", "1", "--pool-initializer", "tests.support.tasks:fails"),
        app=APP,
        waits=False,
    )
    assert program.wait() == ExitCode.APP_START
    said = program.journal.text
    assert "the hook pool_initializer raised: RuntimeError: no model found" in said


def test_a_stop_ends_an_initializer_that_hangs(serve: Serve) -> None:
    program = serve(
        *("--workers", "1", "--pool", "1", "--pool-initializer", "tests.support.tasks:hangs"),
        app=APP,
        waits=False,
    )
    program.journal.wait_for_line("app: hangs")
    program.signal(signal.SIGTERM)
    program.wait()
    assert program.leftovers() == []


def test_a_task_that_takes_more_than_it_may_gets_a_memory_error_and_costs_no_process(
    serve: Serve,
) -> None:
    """What the initializer holds is not the task's."""
    warm = ("--pool-initializer", "tests.support.tasks:warm_up")
    program = serve("--workers", "1", "--pool", "1", "--pool-memory-limit", "32MB", *warm, app=APP)
    before = pooled(program, 1)
    assert answer(program, "/hold") == "MemoryError"
    assert answer(program, "/told")["warm"] == 64 << 20
    assert pooled(program, 1) == before
    roomy = serve("--workers", "1", "--pool", "1", "--pool-memory-limit", "128MB", *warm, app=APP)
    assert answer(roomy, "/hold") == 48 << 20


def test_an_engine_without_processes_has_none(serve: Serve) -> None:
    program = serve("--workers", "1", "--pool", "2", "--pool-engine", "threads", app=APP)
    assert program.stats()["pool"] == []


@pytest.mark.parametrize(("pool", "is_told"), [("1", False), ("100", True)])
def test_more_processes_than_the_cpus_can_run_are_warned_of(
    serve: Serve, pool: str, is_told: bool
) -> None:
    program = serve("--workers", "1", "--pool", pool, "--pool-min", "0", app=APP)
    assert ("oversubscribed" in program.journal.text) == is_told


# -- what is told of them ------------------------------------------------------


def test_stats_tell_what_runs_and_what_waits(serve: Serve) -> None:
    program = serve("--workers", "1", "--pool", "1", app=APP)
    [pid] = pooled(program, 1)
    for _ in range(3):
        answer(program, "/pid")
    stats = program.settled(lambda s: s["tasks"]["done"] == 3)
    assert stats["tasks"]["run"]["p50"] > 0
    assert stats["tasks"]["wait"]["p99"] >= stats["tasks"]["wait"]["p50"] > 0
    with ExitStack() as opened:
        for _ in range(3):
            opened.enter_context(closing(Caller(program.port))).send("/wait")
        stats = program.settled(lambda s: s["tasks"]["waiting"] == 2 and s["pool"][0]["task"])
        assert stats["tasks"]["running"] == 1
        [process] = stats["pool"]
        assert (process["pid"], process["tasks"]) == (pid, 3)
        assert "tests.support.tasks" in process["task"]
        assert "wait" in process["task"]
        assert process["task_seconds"] >= 0
        shown = run("status", home=program.home).out
        assert "1 task running, 2 waiting, 3 done" in shown
        assert "wait" in next(line for line in shown.splitlines() if str(pid) in line)
        os.kill(pid, signal.SIGKILL)


# -- what they hold ------------------------------------------------------------


@pytest.mark.parametrize("entry", [("-m", "prefork"), NO_TEMPLATE], ids=["template", "none"])
@pytest.mark.parametrize("replacements", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_replacements_leave_no_descriptor_in_any_process(
    serve: Serve, replacements: int, entry: tuple[str, ...]
) -> None:
    program = serve(
        *("--workers", "2", "--pool", "2", "--policy", "shared"),
        *("--min-uptime", "0.01"),  # or those that have had no task would be waited for
        app=APP,
        entry=entry,
    )
    everybody(program)
    before = census(program)
    for number in range(replacements):
        replace(program, pooled(program, 2)[number % 2], 2)
    everybody(program)
    assert census(program) == before


def everybody(program: Program) -> None:
    """Have each worker use the pool."""
    asked: set[int] = set()
    while len(asked) < 2:
        with closing(Caller(program.port)) as caller:
            asked.add(caller.ask("/").pid)
            caller.ask("/pid")


def test_nobody_holds_an_end_that_is_anothers(serve: Serve) -> None:
    program = serve("--workers", "2", "--pool", "3", "--policy", "shared", app=APP)
    everybody(program)
    for victim in pooled(program, 3):  # each successor is forked beside the others
        replace(program, victim, 3)
    everybody(program)
    stats = program.stats()
    of_pool = pool(stats)
    for one, other in combinations(of_pool, 2):
        assert sockets(one) & sockets(other) == set()
    for pid in of_pool:
        own = kinds(pid)
        lines = 2  # to the workers
        assert own["socket"] == 1 + lines, own
        assert own["pipe"] <= 3, own  # the tickets, and what may be a test's standard output
        for worker in stats["workers"]:
            assert sockets(pid) & sockets(worker["pid"]) == set()


def test_a_reload_brings_a_pool_of_the_new_code_and_the_old_one_goes_with_all_it_had(
    serve: Serve,
) -> None:
    program = serve("--workers", "2", "--pool", "2", "--min-uptime", "0.2", app=APP)
    everybody(program)
    before, old = census(program)["primary"], set(pooled(program, 2))
    for generation in (2, 3):
        done = run("reload", "--wait", home=program.home)
        assert done.code == 0, done
        stats = program.settled(lambda s: len(s["pool"]) == 2 == len(s["workers"]))
        assert {each["generation"] for each in stats["pool"]} == {generation}
        assert not old & set(pool(stats))
        everybody(program)
    assert census(program)["primary"] == before


@pytest.mark.parametrize("preload", ["on", "off"])
def test_they_are_gone_soon_after_the_primarys_sigkill(serve: Serve, preload: str) -> None:
    program = serve("--workers", "1", "--pool", "3", "--preload", preload, app=APP)
    stopped, *_ = pooled(program, 3)
    with ExitStack() as opened:
        opened.enter_context(closing(Caller(program.port))).send("/wait")
        program.journal.wait_for_line("app: waits")
        os.kill(stopped, signal.SIGSTOP)
        processes.until_state(stopped, "T")
        watch = opened.enter_context(Watch(program.tree()))
        os.kill(program.pid, signal.SIGKILL)
        assert watch.left(timeout=20) == []
    assert program.leftovers() == []


def test_a_stop_lets_a_task_end_and_then_the_pool(serve: Serve) -> None:
    program = serve("--workers", "1", "--pool", "2", app=APP)
    everyone = set(program.tree())
    answer(program, "/pid")
    program.signal(signal.SIGTERM)
    assert program.wait() == 0
    ends = [each for each in program.journal.text.splitlines() if "_exited" in each]
    order = [json.loads(each)["event"] for each in ends]
    assert order == ["worker_exited", "pool_exited", "pool_exited", "template_exited"]
    assert len(everyone) == 4
    assert program.leftovers() == []
