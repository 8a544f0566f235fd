"""Workers that a test has killed, and which of them explain what a client saw."""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from tests.support.processes import Watch
from tests.support.tidings import Report

SOON = 0.25  # seconds after a death, by which a client that is not late itself has noticed


@dataclass(frozen=True, slots=True)
class Kill:
    pid: int
    at: float  # monotonic seconds
    dead: float  # when the kernel had closed all that it had


def kill(pid: int) -> Kill:
    """Kill a process, unless it has gone by itself, and wait until it is dead."""
    with Watch([pid]) as watch:
        at = time.monotonic()
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        assert watch.left(20) == []
    return Kill(pid, at, time.monotonic())


def blamed(at: float, kills: Iterable[Kill], report: Report) -> set[int]:
    """Return the victims that what a client saw at that time may have come of."""
    late = SOON + report.lag
    return {each.pid for each in kills if each.at <= at <= each.dead + late}
