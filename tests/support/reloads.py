"""Reloads of a running program, asked for by signal as an operator does."""

import signal
from pathlib import Path
from typing import Any

from tests.support.deploys import Deploys
from tests.support.program import Program, Stats

Status = dict[str, Any]  # the statistics' account of the latest reload
PATIENCE = 30.0  # seconds


def deploys_below(home: Path) -> Deploys:
    """Make a directory for the application, with its first version."""
    place = home / "code"
    place.mkdir()
    return Deploys(place)


def next_generation(stats: Stats) -> int:
    """Return the number of the reload that is asked for next, if none is waiting."""
    latest = stats["reload"]
    return 1 + max(int(stats["generation"]), int(latest["generation"]) if latest else 0)


def ended(program: Program, generation: int, timeout: float = PATIENCE) -> Status:
    """Wait until the reload to *generation* is over; return how it ended."""

    def has_ended(stats: Stats) -> bool:
        latest = stats["reload"]
        return bool(latest and latest["generation"] >= generation and latest["state"] != "running")

    status: Status = program.settled(has_ended, timeout)["reload"]
    return status


def reload(program: Program, timeout: float = PATIENCE) -> Status:
    """Hang up on the primary and wait for the reload's end; return how it ended."""
    generation = next_generation(program.stats())
    program.signal(signal.SIGHUP)
    return ended(program, generation, timeout)
