"""Reaping: who of our children, and of their orphans, is dead."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress


def reap() -> Iterator[tuple[int, int]]:
    """Yield (pid, status) of every dead child; status: exit code, or minus the signal's number.

    Its process group is killed before it is reaped, while neither number can be used again: a
    child that a worker forked holds the worker's connections open, and its clients would hang.
    """
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(found.si_pid, signal.SIGKILL)
        pid, status = os.waitpid(found.si_pid, 0)  # dead already: it doesn't wait
        yield pid, os.waitstatus_to_exitcode(status)


def kill(pid: int, number: int) -> None:
    """Signal a process that was not reaped yet, so that the pid can't be another's."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
