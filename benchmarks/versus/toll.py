"""What killed workers cost their clients."""

import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.trial import Trial
from benchmarks.versus.row import WORKERS
from tests.support.journal import parse
from tests.support.tidings import Failure, Report
from tests.support.wire import Kind

OF_A_TAKEN_CONNECTION = {Kind.RESET, Kind.EOF, Kind.CUT}
REPLACED = 10.0  # seconds that a server has to replace the one that was killed before
WITHIN = 1.0  # second after a kill


@dataclass(frozen=True, slots=True)
class Toll:
    failed: int
    asked: int
    strays: int  # failures that no worker's death explains: too late, or no connection was taken
    taken: int | None  # connections that died with workers; None: the server doesn't tell

    @property
    def is_kept(self) -> bool:
        return self.strays == 0 and self.taken is not None and self.failed <= self.taken

    def told(self, became: str) -> str:
        """Say it in a few words, with what *became* of the service."""
        parts = [f"{self.failed:,} of {self.asked:,}"]
        if self.taken is not None and self.failed:
            parts.append(f"taken {self.taken}")
        if self.strays:
            parts.append(f"stray {self.strays:,}")
        return ", ".join([*parts, became] if became else parts)


def kill_one(trial: Trial, dice: random.Random) -> list[float]:
    """Kill a worker once all serve; return the time, or nothing where they don't."""
    serving = sorted(trial.gathered(WORKERS, REPLACED))
    if len(serving) < WORKERS:
        return []
    at = time.monotonic()
    os.kill(dice.choice(serving), signal.SIGKILL)
    return [at]


def toll(found: Report, kills: list[float], log: Path) -> Toll:
    failures = found.failures
    return Toll(
        failed=len(failures),
        asked=found.served + len(failures),
        strays=sum(not is_explained(failure, kills) for failure in failures),
        taken=taken(log),
    )


def is_explained(failure: Failure, kills: list[float]) -> bool:
    in_time = any(0 <= failure.at - kill <= WITHIN for kill in kills)
    return in_time and failure.kind in OF_A_TAKEN_CONNECTION


def taken(log: Path) -> int | None:
    """Return how many connections workers held when they died, where *log* tells."""
    entries = [parse(line) for line in log.read_text(errors="replace").splitlines()]
    deaths = [each for each in entries if each and each.get("event") == "worker_exited"]
    return sum(int(death["connections"]) for death in deaths) if deaths else None
