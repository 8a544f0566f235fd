"""How answers look to a reader: what is said of an instance, in lines and tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from prefork.control.cells import (
    UNKNOWN,
    count,
    duration,
    milliseconds,
    number,
    percent,
    size,
    table,
)
from prefork.control.stats import (
    Aide,
    Generation,
    Hub,
    Pooled,
    Primary,
    Process,
    Reload,
    Stats,
    Tasks,
    Template,
    Used,
    Worker,
)
from prefork.log import escape


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `list`; *stats* is None where the instance doesn't answer."""

    name: str
    pid: int | None
    stats: Stats | None


def instances(rows: Sequence[Row]) -> str:
    """What `list` prints."""
    head = ("NAME", "PID", "BIND", "WORKERS", "GENERATION", "STATE", "REQUESTS", "UPTIME")
    return table(head, [_instance(row) for row in rows])


def _instance(row: Row) -> tuple[str, ...]:
    stats = row.stats
    if stats is None:
        return row.name, number(row.pid), *(UNKNOWN,) * 3, "silent", UNKNOWN, UNKNOWN
    return (
        row.name,
        number(stats.pid),
        escape(",".join(stats.bind)),
        UNKNOWN if _is_pool_alone(stats) else f"{stats.ready}/{stats.workers_wanted}",
        number(stats.generation),
        escape(stats.state),
        number(stats.totals.requests),
        duration(stats.uptime),
    )


def status(stats: Stats, now: float) -> str:
    """What `status` prints: the state, a line per worker, and one if the latest reload failed."""
    lines = [f"{stats.name}: {escape(stats.state)}, {_ready(stats)}", _members(stats)]
    if stats.reload is not None and stats.reload.state == "failed":
        lines += ["", reload(stats.reload, now)]
    return "\n".join(lines)


def _is_pool_alone(stats: Stats) -> bool:
    return not stats.workers_wanted and stats.pool_wanted > 0


def _ready(stats: Stats) -> str:
    if _is_pool_alone(stats):
        ready = sum(each.state == "ready" for each in stats.pool)
        return f"a pool of {stats.pool_wanted}, {ready} ready"
    return f"{stats.ready} of {count(stats.workers_wanted, 'worker')} ready"


def _members(stats: Stats) -> str:
    """The workers, and the pool with what it does, where it is to have them."""
    tables = [] if _is_pool_alone(stats) else [workers(stats)]
    has_pool = stats.pool or stats.pool_wanted
    tables += [f"{tasks(stats.tasks)}\n{pool(stats)}"] if has_pool else []
    return "\n\n".join(tables)


def workers(stats: Stats) -> str:
    head = ["SLOT", "PID", "STATE", "GENERATION", "UPTIME", "RESTARTS", "CONNECTIONS"]
    head += ["IN FLIGHT", "REQUESTS", "LAG", "CPU", "RSS", "PSS"]
    order = sorted(stats.workers, key=lambda worker: (worker.slot, worker.generation))
    return table(head, [_worker(worker) for worker in order])


def _worker(worker: Worker) -> tuple[str, ...]:
    return (
        number(worker.slot),
        number(worker.pid),
        "blocked" if worker.blocked else escape(worker.state),
        number(worker.generation),
        duration(worker.uptime),
        number(worker.restarts),
        number(worker.connections),
        number(worker.in_flight),
        number(worker.requests),
        *(milliseconds(worker.loop_lag_ms), percent(worker.cpu_percent)),
        *(size(worker.rss), size(worker.pss)),
    )


def report(stats: Stats, now: float) -> str:
    """What `stats` prints: the instance, its other processes, its workers. *now*: Unix seconds."""
    lines = [
        f"{stats.name}: {escape(stats.app)}{_place(stats)}",
        f"{escape(stats.state)} for {duration(stats.uptime)}, generation {stats.generation}, "
        f"{_ready(stats)}, prefork {stats.version}",
        f"{count(stats.totals.requests, 'request')}, "
        f"{count(stats.totals.accepted, 'connection')}, "
        f"{count(stats.totals.exits, 'exit')}; memory {size(stats.memory.pss)} "
        f"(sum of RSS {size(stats.memory.rss)})",
        *([_generation(each) for each in stats.generations] if len(stats.generations) > 1 else []),
        *([reload(stats.reload, now)] if stats.reload is not None else []),
        "",
        processes(stats),
        "",
        _members(stats),
    ]
    return "\n".join(lines)


def _place(stats: Stats) -> str:
    return f" on {escape(', '.join(stats.bind))}, {stats.policy}" if stats.bind else ""


def tasks(tasks: Tasks) -> str:
    """One line: how many tasks there are, and what those took that have ended lately."""
    counted = f"{count(tasks.running, 'task')} running, {tasks.waiting} waiting, {tasks.done} done"
    lately = [f"pool {percent(100 * tasks.utilisation)} busy"]
    for what, lasted in (("wait", tasks.wait), ("run", tasks.run)):
        if lasted is not None:
            median, most = milliseconds(lasted.p50), milliseconds(lasted.p99)
            lately.append(f"{what} {median} (p99 {most})")
    return f"{counted}; {', '.join(lately)}"


def pool(stats: Stats) -> str:
    head = ("POOL", "PID", "STATE", "GENERATION", "UPTIME", "TASKS", "CPU", "RSS", "PSS")
    order = sorted(stats.pool, key=lambda each: (each.generation, each.slot))
    return table((*head, "TASK"), [_pooled(each) for each in order])


def _pooled(each: Pooled) -> tuple[str, ...]:
    runs = each.task_seconds is not None
    return (
        number(each.slot),
        number(each.pid),
        escape(each.state),
        number(each.generation),
        duration(each.uptime),
        number(each.tasks),
        *_usage(each),
        f"{escape(each.task) or 'unnamed'} for {duration(each.task_seconds)}" if runs else UNKNOWN,
    )


def _generation(each: Generation) -> str:
    return (
        f"generation {each.generation}: {count(each.workers, 'worker')}, {each.serving} serving, "
        f"{count(each.templates, 'template')}"
    )


def reload(latest: Reload, now: float) -> str:
    """One line: how the latest reload goes on, or ended."""
    begun = f"reload to generation {latest.generation}"
    moved = f"{latest.moved} of {count(latest.slots, 'worker')} moved"
    if latest.finished is None:
        return f"{begun} {escape(latest.state)} for {duration(now - latest.started)}: {moved}"
    ended = f"{begun} {escape(latest.state)} {duration(now - latest.finished)} ago"
    return f"{ended}: {escape(latest.reason) or moved}"


def processes(stats: Stats) -> str:
    """The primary, the templates and what is beside the fleet, a line each."""
    head = ("PROCESS", "PID", "STATE", "GENERATION", "UPTIME", "CPU", "RSS", "PSS")
    primary = Template(state=stats.state, generation=stats.generation, uptime=stats.uptime)
    rows = [_process("primary", primary, stats.primary)]
    rows += [_process("template", each, each) for each in stats.templates]
    rows += [_process("hub", each, each) for each in stats.hubs]
    return table(head, rows + [_aide(each) for each in stats.aides])


def _process(role: str, life: Template | Hub, usage: Process | Primary) -> tuple[str, ...]:
    generation = number(life.generation)
    lived = duration(life.uptime)
    return role, number(usage.pid), escape(life.state), generation, lived, *_usage(usage)


def _aide(aide: Aide) -> tuple[str, ...]:
    lived = duration(aide.uptime)
    return escape(aide.name), number(aide.pid), UNKNOWN, UNKNOWN, lived, *_usage(aide)


def _usage(usage: Used) -> tuple[str, str, str]:
    return percent(usage.cpu_percent), size(usage.rss), size(usage.pss)
