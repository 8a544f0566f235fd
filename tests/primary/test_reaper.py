"""Reaping real children."""

import os
import select
import signal
import traceback
from collections.abc import Callable
from functools import wraps

from prefork.primary import reaper


def in_a_process_of_its_own(test: Callable[[], None]) -> Callable[[], None]:
    """Run *test* where nobody else has children: it reaps every one, and may be handed any."""

    @wraps(test)
    def run() -> None:
        process = os.fork()
        if process == 0:
            try:
                test()
            except BaseException:  # noqa: BLE001 - what it raised is shown here, and fails there
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        assert os.waitpid(process, 0) == (process, 0)

    return run


def collect(*pids: int, and_group: bool = True) -> dict[int, int]:
    """Reap until all of *pids* are found, waking at their exits."""
    found: dict[int, int] = {}
    for handle in [os.pidfd_open(pid) for pid in pids]:
        select.select([handle], [], [], 10)
        os.close(handle)
        while (pid := reaper.find_dead()) is not None:
            found[pid] = reaper.reap(pid, and_group=and_group)
    return found


@in_a_process_of_its_own
def test_exit_codes_and_signals_are_told_apart() -> None:
    one = os.fork()
    if one == 0:
        os._exit(3)
    other = os.fork()
    if other == 0:
        signal.pause()
        os._exit(0)
    reaper.kill(other, signal.SIGKILL)
    assert collect(one, other) == {one: 3, other: -signal.SIGKILL}


@in_a_process_of_its_own
def test_what_a_dead_child_had_started_goes_with_it() -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        if os.fork() == 0:
            signal.pause()  # holds the pipe open, as it would a client's connection
        os._exit(0)
    os.close(writing)
    assert collect(child) == {child: 0}
    assert select.select([reading], [], [], 10)[0], "the grandchild holds on"
    assert os.read(reading, 1) == b""
    os.close(reading)


@in_a_process_of_its_own
def test_nobody_to_reap_is_no_error() -> None:
    assert reaper.find_dead() is None
    reaper.kill(2**22 + 1, signal.SIGTERM)  # beyond any pid


@in_a_process_of_its_own
def test_what_a_stranger_had_started_is_left_alone() -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        grandchild = os.fork()
        if grandchild == 0:
            signal.pause()
        os.write(writing, str(grandchild).encode())
        os._exit(0)
    assert collect(child, and_group=False) == {child: 0}
    grandchild = int(os.read(reading, 20))
    os.kill(grandchild, signal.SIGKILL)  # ProcessLookupError, if it went with its parent
    for end in (reading, writing):
        os.close(end)
