"""Dumps: asked for, waited for without waiting, and made of what there is in the end."""

import faulthandler
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.primary.kennel import Kennel, kennel_of

from prefork.core.process import Role
from prefork.primary.children import Child
from prefork.primary.dumps import LONGEST, WITHIN
from prefork.wire.inquiry import SIGNAL
from prefork.wire.stacks import Dump

DUMP = Dump(requests=["GET /"])


@pytest.fixture
def kennel(tmp_path: Path) -> Iterator[Kennel]:
    with kennel_of(tmp_path) as it:
        yield it


def test_what_a_worker_answers_is_the_dump(kennel: Kennel) -> None:
    child, got = kennel.hire(), list[Dump]()
    kennel.dumps.take(child, 100.0, got.append)
    kennel.turn(100.0)
    assert got == []
    kennel.answer(child, DUMP)
    kennel.turn(100.01)
    assert got == [DUMP]
    assert kennel.dumps.next_check() is None
    assert not kennel.selector.get_map(), "nobody listens any more"


def test_one_dump_does_for_all_who_want_it_meanwhile(kennel: Kennel) -> None:
    child, got = kennel.hire(), list[Dump]()
    kennel.dumps.take(child, 100.0, got.append)
    kennel.dumps.take(child, 100.1, got.append)
    kennel.answer(child, DUMP)
    kennel.turn(100.1)
    assert got == [DUMP, DUMP]


def test_an_answer_in_two_parts_is_waited_for(kennel: Kennel) -> None:
    child, got = kennel.hire(), list[Dump]()
    kennel.dumps.take(child, 100.0, got.append)
    os.write(kennel.ends[child.id].answering, b"{")
    kennel.turn(100.0)
    assert got == []


def test_what_was_answered_too_late_is_not_taken_for_the_next_answer(kennel: Kennel) -> None:
    child, got = kennel.hire(), list[Dump]()
    kennel.describe(child, catches=False)
    kennel.dumps.take(child, 100.0, got.append)
    kennel.until(101.0)
    assert got[0].missing.startswith("no stacks")
    kennel.answer(child, Dump(requests=["GET /old"]))
    kennel.dumps.take(child, 102.0, got.append)
    kennel.answer(child, DUMP)
    kennel.turn(102.0)
    assert got[1:] == [DUMP]


def test_whoever_does_not_answer_is_signalled_and_what_comes_is_told_with_the_reason(
    kennel: Kennel,
) -> None:
    """The worker is a real process that answers nothing, but has the handler."""
    code = (
        "import faulthandler, sys\n"
        f"faulthandler.register({SIGNAL}, file=int(sys.argv[1]), all_threads=True)\n"
        "def hang():\n    print(flush=True)\n    sys.stdin.read()\n"
        "hang()\n"
    )
    child, got = kennel.hire(), list[Dump]()
    answering = kennel.ends[child.id].answering
    worker = subprocess.Popen(
        [sys.executable, "-c", code, str(answering)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=(answering,),
    )
    try:
        assert worker.stdout is not None
        worker.stdout.readline()
        child.pid = worker.pid
        kennel.describe(child)
        kennel.dumps.take(child, 100.0, got.append)
        kennel.turn(100.0 + WITHIN)
        assert got == []
        assert kennel.selector.select(10), "the handler has written"
        while kennel.selector.select(0.3):  # it writes in small pieces
            kennel.turn(100.0 + WITHIN)
        kennel.turn(100.0 + 2 * WITHIN)
    finally:
        worker.kill()
        worker.communicate()
    [dump] = got
    assert "in hang" in dump.raw
    assert dump.missing.startswith("no tasks and no requests: no Python ran in it to tell them")
    assert "state S" in dump.missing


def test_where_no_python_can_run_it_is_signalled_at_once(kennel: Kennel) -> None:
    child, got = kennel.hire(), list[Dump]()
    kennel.dumps.take(child, 100.0, got.append, is_held=True)
    assert kennel.ends[child.id].take() is None, "it was asked"
    faulthandler.dump_traceback(kennel.ends[child.id].answering)
    kennel.turn(100.0)
    assert got == []
    kennel.turn(100.0 + WITHIN)
    assert "is_signalled_at_once" in got[0].raw


def test_without_a_handler_nothing_is_signalled_lest_it_dies(kennel: Kennel) -> None:
    worker = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    child, got = kennel.hire(pid=worker.pid), list[Dump]()
    try:
        kennel.describe(child, catches=False)
        kennel.dumps.take(child, 100.0, got.append)
        kennel.turn(100.0 + WITHIN)
        assert worker.poll() is None
    finally:
        worker.kill()
        worker.communicate()
    assert worker.returncode == -signal.SIGKILL
    assert got[0].missing.startswith("no stacks: no Python ran in it")


def test_of_a_process_that_is_stopped_it_is_told_at_once_why_there_is_none(kennel: Kennel) -> None:
    child, got = kennel.hire(), list[Dump]()
    kennel.describe(child, "T")
    kennel.dumps.take(child, 100.0, got.append)
    assert "it is stopped, and nothing in it can run (state T" in got[0].missing


def test_of_a_worker_that_is_not_forked_yet_there_is_none(kennel: Kennel) -> None:
    child, got = kennel.hire(), list[Dump]()
    child.pid = None
    kennel.dumps.take(child, 100.0, got.append)
    assert got == [Dump(missing="no stacks: it is not forked yet")]


def test_of_a_template_there_is_none(kennel: Kennel) -> None:
    worker, got = kennel.hire(), list[Dump]()
    template = Child(9, Role.TEMPLATE, 1, 9, worker.channel, pid=9)
    kennel.dumps.take(template, 100.0, got.append)
    assert got[0].missing


def test_the_end_of_a_worker_ends_its_dump(kennel: Kennel) -> None:
    child, got = kennel.hire(), list[Dump]()
    kennel.dumps.take(child, 100.0, got.append)
    kennel.dumps.hurry(child)
    assert got[0].missing.startswith("no stacks")
    kennel.dumps.hurry(child)  # there is none any more
    assert len(got) == 1


def test_a_closed_pipe_ends_it_too(kennel: Kennel) -> None:
    child, got = kennel.hire(), list[Dump]()
    kennel.dumps.take(child, 100.0, got.append)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, kennel.ends[child.id].answering)
    os.close(null)
    kennel.turn(100.0)
    assert len(got) == 1


def test_whoever_answers_without_end_is_not_listened_to_for_long(kennel: Kennel) -> None:
    child, got = kennel.hire(), list[Dump]()
    kennel.dumps.take(child, 100.0, got.append)
    for _ in range(LONGEST // 65536 + 1):
        os.write(kennel.ends[child.id].answering, b"x" * 65536)
        kennel.turn(100.0)
    assert len(got) == 1
