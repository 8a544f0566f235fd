"""New connections while a worker is stuck: others serve them, whoever accepts."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing

import pytest
from tests.process.conftest import Serve
from tests.support import pacing, processes
from tests.support.asking import Caller, ask
from tests.support.load import Load
from tests.support.program import Program
from tests.support.tidings import Plan

LONGEST = 5.0  # seconds that a connection may wait; 0.25 is what it takes with nothing else to do


def stop(program: Program, opened: ExitStack) -> int:
    victim = program.workers(4)[1]
    os.kill(victim, signal.SIGSTOP)
    processes.until_state(victim, "T")
    opened.callback(os.kill, victim, signal.SIGCONT)
    return victim


def block(path: str) -> Callable[[Program, ExitStack], int]:
    """Block a worker's loop by a request."""

    def begin(program: Program, opened: ExitStack) -> int:
        opened.enter_context(closing(Caller(program.port))).send(path)
        return int(program.journal.wait_for_line("app: ")[0].split()[-1])

    return begin


@pytest.mark.parametrize(
    ("policy", "stick"),
    [
        pytest.param("rr", stop, id="rr-stopped"),
        pytest.param("least", stop, id="least-stopped", marks=pytest.mark.slow),
        pytest.param("hash", stop, id="hash-stopped", marks=pytest.mark.slow),
        pytest.param("shared", stop, id="shared-stopped"),
        pytest.param("reuseport", stop, id="reuseport-stopped"),
        pytest.param("shared", block("/wedge"), id="shared-loop"),
        pytest.param("reuseport", block("/wedge"), id="reuseport-loop"),
        pytest.param("reuseport", block("/hold"), id="reuseport-GIL"),
    ],
)
def test_no_new_connection_waits_for_a_stuck_worker(
    serve: Serve, policy: str, stick: Callable[[Program, ExitStack], int]
) -> None:
    program = serve("--workers", "4", "--policy", policy)
    with ExitStack() as opened:
        stuck = stick(program, opened)
        with Load(Plan(port=program.port, apart=0.01)) as load:
            pacing.hold(1)
            report = load.report()
    assert report.failures == []
    assert report.served > 50
    assert report.slowest < LONGEST
    assert not report.of(stuck)


@pytest.mark.parametrize(
    ("noticed", "over"),
    [("worker_stuck", None), ("worker_blocked", "worker_recovered")],
    ids=["at once", "for long"],
)
def test_under_reuseport_a_worker_that_was_stuck_gets_connections_again(
    serve: Serve, noticed: str, over: str | None
) -> None:
    # At once: before it is blocked, however long the load takes to begin.
    warn = "2" if over else "20"
    program = serve("--workers", "4", "--policy", "reuseport", "--block-warn", warn)
    with ExitStack() as opened:
        stuck = stop(program, opened)
        with Load(Plan(port=program.port, apart=0.01)):
            program.journal.wait_for(noticed)
        assert stuck not in {ask(program.port, "/pid").pid for _ in range(40)}
    if over is not None:
        program.journal.wait_for(over)
    with Load(Plan(port=program.port, apart=0.01)) as load:
        pacing.hold(1)
        assert load.report().of(stuck)


def test_under_reuseport_connections_beyond_a_workers_limit_go_to_those_with_room(
    serve: Serve,
) -> None:
    program = serve("--workers", "4", "--policy", "reuseport", "--max-connections", "40")
    with ExitStack() as opened:
        callers = [opened.enter_context(closing(Caller(program.port, n))) for n in range(40)]
        for caller in callers:
            caller.send("/pid")
        assert Counter(caller.reply().pid for caller in callers).keys() == {*program.workers(4)}


TELL_THE_KERNEL = """
from prefork.policy.schemes import Accepts
from prefork.primary.listeners import Listeners
from prefork.primary.steering import attach, program
from prefork.settings.address import TcpAddress
listeners = Listeners([TcpAddress("127.0.0.1", 0)], 8, Accepts.SLOT)
listeners.of(1)
attach(listeners.groups[0][0].sock, program(2, {0}))
"""


def test_to_tell_the_kernel_takes_no_privilege(nobody: Sequence[str]) -> None:
    subprocess.run([*nobody, "env", sys.executable, "-c", TELL_THE_KERNEL], check=True)
