"""Forked children that do something with the memory of their parent."""

import os
from collections.abc import Callable

from prefork.wire import boundary


def fork(does: Callable[[], object]) -> int:
    """Return the pid of a child that does it, and exits with 0 if it raised nothing."""
    boundary.flush()
    pid = os.fork()
    if pid == 0:
        boundary.run_and_exit(lambda: int(does() is NotImplemented))
    return pid


def exit_codes(*pids: int) -> list[int]:
    """Wait for their ends; minus the number of the signal that killed one."""
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
