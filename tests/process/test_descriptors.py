"""What the processes hold and cost at rest: nothing that grows, nothing of their siblings'."""

import json
import os
import resource
import signal
import subprocess
from itertools import combinations
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.support import pacing, processes
from tests.support.asking import ask
from tests.support.holdings import census, sockets
from tests.support.program import PREFORK, ROOT, Program, interpreter, serving
from tests.support.scarcity import free_numbers

LONG_LIFE = 1.0  # second, after which a death is not held against the application


def replace(program: Program, count: int, slot: int) -> None:
    """Kill the worker of *slot*, and wait until all *count* serve again.

    Not before it has lived for a second, or its successor would be made to wait.
    """
    stats = program.settled(lambda stats: stats["workers"][slot]["uptime"] >= LONG_LIFE)
    victim = stats["workers"][slot]["pid"]
    os.kill(victim, signal.SIGKILL)
    program.settled(lambda stats: len(found := serving(stats)) == count and victim not in found)


@pytest.mark.parametrize("replacements", [16, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("policy", "preload"), [("rr", "on"), ("shared", "off")])
def test_replacements_leave_no_descriptor_in_any_process(
    serve: Serve, replacements: int, policy: str, preload: str
) -> None:
    count = 16
    program = serve("--workers", str(count), "--policy", policy, "--preload", preload)
    before = census(program)
    for number in range(replacements):
        replace(program, count, slot=number % count)
    assert census(program) == before


def test_nobody_holds_an_end_of_its_siblings_channels(serve: Serve) -> None:
    program = serve("--workers", "4", "--policy", "rr")
    replace_template(program)  # one that is forked while the workers' channels are open
    for slot in range(4):
        replace(program, 4, slot)  # each successor is forked beside the others
    below = program.tree()
    assert len(below) == 5
    for one, other in combinations(below, 2):
        assert sockets(one) & sockets(other) == set()
    for pid in below:
        # Its own hand-over's receiving end alone, which the primary keeps for the take-back.
        assert len(sockets(pid) & sockets(program.pid)) <= (pid in program.workers(4))


def replace_template(program: Program) -> None:
    (old,) = [entry["pid"] for entry in program.stats()["templates"]]
    os.kill(old, signal.SIGKILL)
    program.settled(lambda s: [t["pid"] for t in s["templates"] if t["state"] == "ready"] != [old])
    program.settled(lambda s: [t["state"] for t in s["templates"]] == ["ready"])


@pytest.mark.parametrize("seconds", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_a_primary_with_32_idle_workers_uses_less_than_1_percent_of_a_core(
    serve: Serve, seconds: int
) -> None:
    program = serve("--workers", "32")
    pacing.hold(1)  # let the start settle
    before = processes.cpu_seconds(program.pid)
    pacing.hold(seconds)
    assert (processes.cpu_seconds(program.pid) - before) / seconds < 0.01


def test_a_template_that_cannot_fork_keeps_the_code_and_tries_again(serve: Serve) -> None:
    program = serve("--workers", "1", "--preload", "on")
    (template,) = [entry["pid"] for entry in program.stats()["templates"]]
    limit = resource.prlimit(template, resource.RLIMIT_NOFILE)
    # Room for what comes with the order, and none for the pipe.
    room = (free_numbers(template, 4), limit[1])
    resource.prlimit(template, resource.RLIMIT_NOFILE, room)
    (victim,) = program.workers(1)
    os.kill(victim, signal.SIGKILL)
    program.journal.wait_for("fork_failed")
    resource.prlimit(template, resource.RLIMIT_NOFILE, limit)
    program.settled(lambda stats: serving(stats) not in ([], [victim]))
    assert [entry["pid"] for entry in program.stats()["templates"]] == [template]


def test_closed_standard_descriptors_become_nothing_of_ours(tmp_path: Path) -> None:
    """Else the pipe of the signals were standard output, and each print woke the primary."""
    reading, writing = os.pipe()
    closing = ("bash", "-c", 'exec "$@" <&- >&- 2>&-', "closing")
    serve = (*PREFORK, "serve", "tests.support.apps:app", "--bind", "127.0.0.1:0")
    program = subprocess.Popen(
        [*closing, *interpreter(tmp_path), *serve, "--ready-fd", str(writing)],
        pass_fds=(writing,),
        cwd=ROOT,
        start_new_session=True,
    )
    os.close(writing)
    with os.fdopen(reading) as ready:
        pid = json.loads(ready.readline())["pid"]
    try:
        for process in (pid, *processes.descendants(pid)):
            held = processes.descriptors(process)
            assert [held[number] for number in range(3)] == ["/dev/null"] * 3
    finally:
        program.send_signal(signal.SIGTERM)
        assert program.wait() == 0


@pytest.mark.parametrize("preload", ["on", "off"])
def test_a_program_that_an_application_starts_inherits_none(serve: Serve, preload: str) -> None:
    program = serve("--preload", preload, app="tests.support.heirs:handler")
    found = {int(each) for each in ask(program.port, "/").body.split()}
    assert found == {0, 1, 2, 3}, "standard ones, and the one that lists"
