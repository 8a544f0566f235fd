"""Reaping: who of our children, and of their orphans, is dead."""

import os
import signal
from contextlib import suppress


def find_dead() -> int | None:
    """Give the pid of a dead child that is still to be reaped, so that it is nobody else's."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if found is None else found.si_pid


def has_succeeded(pid: int) -> bool:
    """Whether a dead child that is still to be reaped ended with exit code 0."""
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return found is not None and (found.si_code, found.si_status) == (os.CLD_EXITED, 0)


def reap(pid: int, *, and_group: bool) -> int:
    """Reap a dead child; return its exit code, or minus the number of the signal that killed it.

    *and_group*: kill what is left of its process group, while the number can't be used again: a
    child that a worker forked holds the worker's connections open, and its clients would hang.
    """
    if and_group:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)  # dead already: it doesn't wait
    return os.waitstatus_to_exitcode(status)


def kill(pid: int, number: int) -> None:
    """Signal a process that was not reaped yet, so that the pid can't be another's."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
