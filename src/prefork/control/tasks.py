"""What `stats` answers of the pool: its processes, and the tasks in all of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from prefork.core.process import Process
from prefork.wire import label
from prefork.wire.board import Field, Line
from prefork.wire.timings import Summary, Timings, summary

_NAMES = ("p50", "p90", "p99", "p999")  # of `timings.QUANTILES`


def task(line: Line, now: float) -> dict[str, Any]:
    """Say of a process what it runs, since when, and what it has done."""
    runs = line[Field.TASK] != 0
    seconds = now - line[Field.TASK_SINCE] / 1e9
    return {
        "tasks": line[Field.TASKS],
        "task": label.read(line) if runs else "",
        "task_seconds": round(max(0.0, seconds), 3) if runs else None,
    }


def tasks(
    pool: Sequence[Process],
    lines: Mapping[int, Line],
    timings: Mapping[int, Timings],
    now: float,
) -> dict[str, Any]:
    """Say of all tasks how many there are, and what those took that have ended lately.

    *lines* and *timings*: of all processes, by their ids.
    """
    at = int(now * 1e9)
    lasted = summary(
        timings[process.id].seen(at, _since(lines[process.id]))
        for process in pool
        if process.id in timings
    )
    return {
        "waiting": sum(line[Field.TASKS_WAITING] for line in lines.values()),
        "running": sum(line[Field.TASKS_RUNNING] for line in lines.values()),
        "recent": lasted.count,
        "utilisation": round(lasted.busy, 3),
        **_quantiles(lasted),
    }


def _since(line: Line) -> int:
    return line[Field.TASK_SINCE] if line[Field.TASK] else 0


def _quantiles(lasted: Summary) -> dict[str, Any]:
    return {"wait": _named(lasted.wait), "run": _named(lasted.run)}


def _named(values: Sequence[float]) -> dict[str, float] | None:
    """None where no task has ended."""
    if not values:
        return None
    return {name: round(value, 3) for name, value in zip(_NAMES, values, strict=True)}
