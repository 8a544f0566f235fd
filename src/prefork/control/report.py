"""What `stats` answers, made from the core's roster and the board; no system call is needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prefork.control.tasks import task, tasks
from prefork.core.facts import Verdict
from prefork.core.fleet import Fleet
from prefork.core.orders import ReloadStatus
from prefork.core.process import Phase, Process, Role
from prefork.wire.board import Field, Line
from prefork.wire.timings import Timings


@dataclass(frozen=True, slots=True)
class Identity:
    """What doesn't change while the instance runs; but *bind* does where workers ask to listen."""

    name: str
    pid: int
    version: str
    app: str
    policy: str
    bind: Sequence[str]
    started_at: float  # monotonic seconds
    epoch: float  # Unix seconds when the monotonic clock stood at 0
    pool: int = 0  # processes that the pool of a generation may have


@dataclass(frozen=True, slots=True)
class Counts:
    """*lines*: the board's, by process id; *retired*: the sums of the dead, by field.

    *aides*: name, pid and start in monotonic seconds of each process beside the fleet.
    *verdicts*: on those that are blocked, by process id; *blocks*: how often one was, ever;
    *timeouts*: how many were aborted for it. *timings*: of tasks, by the pool process's id.
    """

    lines: Mapping[int, Line]
    retired: Mapping[int, int]
    exits: int
    aides: Sequence[tuple[str, int, float]] = ()
    verdicts: Mapping[int, Verdict] = field(default_factory=dict)
    blocks: int = 0
    timeouts: int = 0
    timings: Mapping[int, Timings] = field(default_factory=dict)


def report(identity: Identity, fleet: Fleet, counts: Counts, now: float) -> dict[str, Any]:
    """Answer `stats`: the primary's half; the command adds what it measures itself."""
    workers, pool = (
        sorted(fleet.roster.of(role), key=lambda p: (p.slot or 0, p.id))
        for role in (Role.WORKER, Role.POOL)
    )
    return {
        "name": identity.name,
        "pid": identity.pid,
        "version": identity.version,
        "app": identity.app,
        "policy": identity.policy,
        "bind": list(identity.bind),
        "generation": fleet.generation.number,
        "state": fleet.state,
        "uptime": round(now - identity.started_at, 3),
        "workers_wanted": len(fleet.roster.slots),
        "pool_wanted": 0 if fleet.is_scripted else identity.pool,
        "workers": [_worker(p, fleet, counts, now) for p in workers],
        "templates": [_process(p, now) for p in fleet.roster.of(Role.TEMPLATE)],
        "pool": [
            {"slot": p.slot, **_process(p, now), **task(counts.lines[p.id], now)} for p in pool
        ],
        "tasks": {
            **tasks(pool, counts.lines, counts.timings, now),
            "done": _total(Field.TASKS, counts),
        },
        "hubs": [_process(p, now) for p in fleet.roster.of(Role.HUB)],
        "aides": [
            {"name": name, "pid": pid, "uptime": round(now - started, 3)}
            for name, pid, started in counts.aides
        ],
        "generations": _generations(list(fleet.roster.processes.values())),
        "reload": _reload(fleet.reload, identity.epoch),
        "totals": {
            "accepted": _total(Field.ACCEPTED, counts),
            "requests": _total(Field.REQUESTS, counts),
            "handed_back": _total(Field.HANDED_BACK, counts),
            "exits": counts.exits,
            "blocks": counts.blocks,
            "timeouts": counts.timeouts,
        },
    }


def _generations(processes: Sequence[Process]) -> list[dict[str, int]]:
    """Count what lives of each, the oldest first."""
    of_code = [process for process in processes if process.role is not Role.HUB]
    numbers = sorted({process.generation for process in of_code})
    return [_generation(n, [p for p in of_code if p.generation == n]) for n in numbers]


def _generation(number: int, processes: Sequence[Process]) -> dict[str, int]:
    workers = [process for process in processes if process.role is Role.WORKER]
    return {
        "generation": number,
        "workers": len(workers),
        "serving": sum(worker.phase in (Phase.SERVING, Phase.LEAVING) for worker in workers),
        "pool": sum(process.role is Role.POOL for process in processes),
        "templates": sum(process.role is Role.TEMPLATE for process in processes),
    }


def _reload(status: ReloadStatus | None, epoch: float) -> dict[str, Any] | None:
    if status is None:
        return None
    return {
        "state": status.state.value,
        "reason": status.reason,
        "generation": status.generation,
        "moved": status.moved,
        "slots": status.slots,
        "started": round(epoch + status.started, 3),
        "finished": None if status.finished is None else round(epoch + status.finished, 3),
    }


def _process(process: Process, now: float) -> dict[str, Any]:
    return {
        "id": process.id,
        "pid": process.pid,
        "state": process.phase.value,
        "generation": process.generation,
        "uptime": round(now - process.spawned_at, 3),
    }


def _worker(worker: Process, fleet: Fleet, counts: Counts, now: float) -> dict[str, Any]:
    assert worker.slot is not None
    line, verdict = counts.lines[worker.id], counts.verdicts.get(worker.id)
    slot = fleet.roster.slot_at(worker.slot)  # None: it was taken away while the worker drains
    return {
        "slot": worker.slot,
        **_process(worker, now),
        "restarts": slot.restarts if slot else 0,
        "recycled": slot.recycled if slot else 0,
        "connections": line[Field.CONNECTIONS],
        "accepted": line[Field.ACCEPTED],
        "requests": line[Field.REQUESTS],
        "handed_back": line[Field.HANDED_BACK],
        "in_flight": line[Field.IN_FLIGHT],
        "leader": worker.id == fleet.leader,
        "loop_lag_ms": _loop_lag(line, now),
        "blocked": "" if verdict is None else verdict.value,
    }


def _loop_lag(line: Line, now: float) -> float | None:
    """By how much the last beat was late, or the next one is by now; None before the first."""
    if not line[Field.BEAT]:
        return None
    overdue = int(now * 1e9) - line[Field.BEAT] - line[Field.BEAT_EVERY]
    return round(max(line[Field.LOOP_LAG], overdue) / 1e6, 3)


def _total(field: int, counts: Counts) -> int:
    return counts.retired[field] + sum(line[field] for line in counts.lines.values())
