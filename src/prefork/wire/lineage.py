"""Whose child a process is, and who ends with whom (prctl(2) and pidfds, Linux only)."""

import ctypes
import os
import select
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> bool:
    """Become the parent of descendants whose own parent exits; False where that can't be had."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def leave_orphans() -> None:
    """Take `adopt_orphans` back."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 0)


def die_with(parent: int) -> None:
    """Be killed when *parent* dies. It must be the parent already, or its death is missed.

    Set before the re-parenting of a double fork, the intermediate's exit would kill us. Where the
    system has no such signal the end of the channel tells of the death.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it died before the kernel was told


def outlive() -> None:
    """Take `die_with` back."""
    _prctl(_PR_SET_PDEATHSIG, 0)


def wait_for_adoption(middle: int) -> None:
    """Wait until the intermediate parent has exited, and the primary is our parent."""
    try:
        handle = os.pidfd_open(middle)
    except ProcessLookupError:
        return  # reaped already
    except (AttributeError, OSError):  # an old kernel, or a sandbox
        while os.getppid() == middle:
            os.sched_yield()
        return
    select.select([handle], [], [])  # readable only after its children were given away
    os.close(handle)


def _prctl(option: int, value: int) -> bool:
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
