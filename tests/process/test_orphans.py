"""Nothing outlives the primary."""

import os
import signal
from contextlib import ExitStack, closing

import pytest
from tests.process.conftest import Serve
from tests.support import processes
from tests.support.asking import Caller, ask
from tests.support.processes import Watch


@pytest.mark.parametrize("preload", ["on", "off"])
@pytest.mark.parametrize("policy", ["rr", "shared"])
def test_everything_is_gone_soon_after_the_primarys_sigkill(
    serve: Serve, preload: str, policy: str
) -> None:
    program = serve("--workers", "4", "--preload", preload, "--policy", policy)
    with ExitStack() as opened:
        opened.enter_context(closing(Caller(program.port))).send("/wedge")
        wedged = int(program.journal.wait_for_line("app: wedged")[0].split()[-1])
        stopped = next(pid for pid in program.workers(4) if pid != wedged)
        os.kill(stopped, signal.SIGSTOP)
        processes.until_state(stopped, "T")
        tree = program.tree()
        assert {wedged, stopped} < set(tree)
        watch = opened.enter_context(Watch(tree))
        os.kill(program.pid, signal.SIGKILL)
        assert watch.left(timeout=20) == []
    assert program.leftovers() == []
    assert program.journal.ended()


@pytest.mark.parametrize("undertaker", [signal.SIGSTOP, signal.SIGKILL])
def test_a_worker_that_holds_the_interpreter_is_gone_though_its_template_cannot_help(
    serve: Serve, undertaker: signal.Signals
) -> None:
    """None of the worker's own threads gets to run, so only the kernel can end it."""
    program = serve("--workers", "2")
    with closing(Caller(program.port)) as caller:
        caller.send("/hold")
        program.journal.wait_for_line("app: holds")
        (template,) = [entry["pid"] for entry in program.stats()["templates"]]
        with Watch(program.tree()) as watch:
            os.kill(template, undertaker)
            if undertaker is signal.SIGSTOP:
                processes.until_state(template, "T")  # the kernel wakes whom it finds stopped
            os.kill(program.pid, signal.SIGKILL)
            assert watch.left(timeout=20) == []


def test_a_killed_template_is_replaced_and_spawns_again(serve: Serve) -> None:
    program = serve("--workers", "2")
    (old,) = [entry["pid"] for entry in program.stats()["templates"]]
    os.kill(old, signal.SIGKILL)
    program.settled(lambda stats: old not in [entry["pid"] for entry in stats["templates"]])
    victim = program.workers(2)[0]
    os.kill(victim, signal.SIGKILL)
    program.settled(lambda stats: victim not in [w["pid"] for w in stats["workers"]])
    assert len(program.workers(2)) == 2
    assert ask(program.port, "/pid").status == 200


def test_a_worker_dies_with_what_it_forked(serve: Serve) -> None:
    """Else a child would hold its clients' connections open, and they would hang."""
    program = serve("--workers", "2")
    with closing(Caller(program.port)) as caller:
        caller.send("/fork")
        line = program.journal.wait_for_line("app: forked")[0]
        worker, child = int(line.split()[-1]), int(line.split("forked ")[1].split()[0])
        with Watch([child]) as watch:
            os.kill(worker, signal.SIGKILL)
            with pytest.raises(ConnectionError):  # or TimeoutError, where the child holds on
                caller.reply()
            assert watch.left(timeout=20) == []
