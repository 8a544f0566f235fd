"""What the processes of an instance use of the machine, measured by the command that asks."""

import select
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import psutil

WINDOW = 0.1  # seconds over which CPU time is compared


@dataclass(frozen=True, slots=True)
class Usage:
    """None: the process is gone, or isn't ours to look at. Memory is in bytes."""

    cpu_percent: float | None = None
    rss: int | None = None
    pss: int | None = None


def measured(answer: dict[str, Any]) -> dict[str, Any]:
    """Add to an answer to `stats` what its processes use."""
    return with_usage(answer, sample(_pids(answer)))


def sample(pids: Iterable[int], window: float = WINDOW) -> dict[int, Usage]:
    """Measure all processes over the same *window* seconds; a pid that is gone has no entry."""
    processes = [process for pid in pids if (process := _open(pid))]
    begun = time.monotonic()
    before = {process.pid: _cpu_seconds(process) for process in processes}
    memory = {process.pid: _memory(process) for process in processes}  # takes part of the window
    select.select([], [], [], max(0.0, begun + window - time.monotonic()))
    after = {process.pid: _cpu_seconds(process) for process in processes}
    elapsed = time.monotonic() - begun
    return {
        pid: Usage(_percent(before[pid], after[pid], elapsed), *memory[pid])
        for pid in memory
        if after[pid] is not None
    }


def with_usage(answer: dict[str, Any], usages: dict[int, Usage]) -> dict[str, Any]:
    """The answer with each process's usage, the primary's, and the memory of all together."""

    def add(process: dict[str, Any]) -> dict[str, Any]:
        return process | asdict(usages.get(process.get("pid") or 0, Usage()))

    return answer | {
        "primary": add({"pid": answer["pid"]}),
        "workers": [add(worker) for worker in answer["workers"]],
        "templates": [add(template) for template in answer.get("templates", [])],
        "pool": [add(process) for process in answer.get("pool", [])],
        "hubs": [add(hub) for hub in answer.get("hubs", [])],
        "aides": [add(aide) for aide in answer.get("aides", [])],
        "memory": {
            "rss": _sum(usage.rss for usage in usages.values()),
            "pss": _sum(usage.pss for usage in usages.values()),
        },
    }


def _pids(answer: dict[str, Any]) -> set[int]:
    kinds = ("templates", "pool", "hubs", "aides")
    others = [each for kind in kinds for each in answer.get(kind, [])]
    processes = [answer, *answer["workers"], *others]
    return {process["pid"] for process in processes if process.get("pid")}


def _sum(values: Iterable[int | None]) -> int | None:
    """The sum of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _percent(before: float | None, after: float | None, elapsed: float) -> float | None:
    if before is None or after is None:
        return None
    return round(100 * max(0.0, after - before) / elapsed, 1)


def _open(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def _cpu_seconds(process: psutil.Process) -> float | None:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return None
    return times.user + times.system


def _memory(process: psutil.Process) -> tuple[int | None, int | None]:
    """(rss, pss); where the kernel has no PSS, or not for us, it is None."""
    try:
        rss = process.memory_info().rss
    except psutil.Error:
        return None, None
    try:
        return rss, getattr(process.memory_full_info(), "pss", None)
    except psutil.Error:
        return rss, None
