"""Settings of the pool for CPU-bound work, and the table [pool] that a file may have for them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from prefork.settings import checks, engine
from prefork.settings.cpus import available_parallelism
from prefork.settings.declaration import setting

POOL = "pool"  # the setting that the others are nothing without, and the table
MOST_POOL = 256  # processes; each worker has a line to each


@dataclass(frozen=True, kw_only=True)
class Pooling:
    """How many processes run tasks, for how long, and with how much."""

    pool: int | Literal["max"] = setting(
        0,
        section="Pool",
        check=checks.between(0, MOST_POOL, other="max"),
        help="How many processes, at most, run what workers give to prefork.pool: CPU-bound work "
        "that would block their event loops. All workers share them. max: one for each CPU this "
        "process may use. 0 is no pool.",
    )
    pool_min: int | None = setting(
        None,
        section="Pool",
        check=checks.between(0, MOST_POOL),
        unset="as many as --pool",
        example=1,
        help="How many of these processes are always there; the others are started when tasks "
        "wait.",
    )
    pool_idle_timeout: float = setting(
        10.0,
        section="Pool",
        check=checks.seconds(above=0),
        unit="seconds",
        help="How long a process beyond --pool-min may be without a task before it is stopped.",
    )
    pool_queue: int = setting(
        1024,
        section="Pool",
        check=checks.at_least(1),
        unit="tasks",
        help="How many tasks may wait, in all of --workers together. Each worker has its part: "
        "this divided by --workers, rounded down, but at least 1. `prefork scale` changes "
        "no part, so that more workers may have more in all. One more is refused with "
        "PoolFull: where the application doesn't catch it, the request is answered by 503 with "
        "Retry-After.",
    )
    pool_timeout: float = setting(
        0.0,
        section="Pool",
        check=checks.seconds(),
        unit="seconds",
        help="How long a task may run, from its start, where its call says no timeout; then it is "
        "made to end, and fails with TaskTimeout. 0 is no limit.",
    )
    pool_grace: float = setting(
        1.0,
        section="Pool",
        check=checks.seconds(above=0),
        unit="seconds",
        help="How long a task that was cancelled, or has run for too long, may take to end before "
        "its process is killed and replaced.",
    )
    pool_initializer: str | None = setting(
        None,
        section="Pool",
        check=checks.function,
        metavar="MODULE:FUNCTION",
        unset="none",
        example="hooks:warm_up",
        help="Called in each process before its first task, without an argument; if it fails, the "
        "process does not start.",
    )
    pool_nice: int = setting(
        10,  # of what two cores can do of 5 ms tasks 0.87 was done with 0, and 0.95 with 10
        section="Pool",
        check=checks.between(0, 19),
        help="By how much these processes give way to all others, workers among them, where CPUs "
        "are short: 0 is not at all, 19 most.",
    )
    pool_memory_limit: str | None = setting(
        None,
        section="Pool",
        check=checks.memory,
        metavar="SIZE",
        unset="no limit",
        example="512MB",
        help="How much memory a process may allocate for tasks, beside what it has when it starts: "
        "a task that wants more gets a MemoryError. In bytes, or as in 500MB or 1.5GB.",
    )
    pool_max_tasks: int = setting(
        0,
        section="Pool",
        check=checks.at_least(0),
        unit="tasks",
        help="How many tasks a process runs before it is replaced. 0 is any number.",
    )
    pool_max_memory: str | None = setting(
        None,
        section="Pool",
        check=checks.memory,
        metavar="SIZE",
        unset="any",
        example="1GB",
        help="How much memory a process may have resident: one that has more is replaced when its "
        "task has ended. In bytes, or as in 500MB or 1.5GB.",
    )
    pool_engine: str = setting(
        engine.PROCESSES,
        section="Pool",
        check=engine.wrong,
        metavar="ENGINE",
        help="What runs tasks: processes; threads of each worker, for work that releases the GIL, "
        "as many as --pool says; or the Dask cluster whose scheduler is at dask://HOST:PORT, which "
        "has as many as it has. That needs the extra: pip install 'prefork[dask]'.",
    )


KEYS = {  # of the table: the setting's name
    "max" if each.name == POOL else each.name.removeprefix(f"{POOL}_"): each.name
    for each in fields(Pooling)
}


OF_PROCESSES = (  # what no thread can have, and no machine of others
    "pool_min",
    "pool_idle_timeout",
    "pool_initializer",
    "pool_nice",
    "pool_memory_limit",
    "pool_max_tasks",
    "pool_max_memory",
)


_ELSEWHERE = {  # as other pools call a setting, without a word for the pool: its name here
    "max": POOL,
    "size": POOL,
    "processes": POOL,
    "workers": POOL,
    "threads": POOL,
    "maxworkers": POOL,
    "maxthreads": POOL,
    "minworkers": "pool_min",
    "minthreads": "pool_min",
}


def meant(name: str) -> str | None:
    """Say which setting is called so elsewhere, as pool_size or pool_maxThreads; None: none is."""
    word = name.replace("_", "").replace("-", "").lower()
    return _ELSEWHERE.get(word.removeprefix(POOL)) if word.startswith(POOL) else None


def size(wanted: int | Literal["max"]) -> int:
    """How many that is, here."""
    return wanted if isinstance(wanted, int) else min(available_parallelism(), MOST_POOL)


def contradictions(values: Mapping[str, Any], labels: Mapping[str, str]) -> Iterator[str]:
    """Say what can't be meant together; a pool of 0 is switched off, whatever else is said."""
    most, least = values.get(POOL), values.get("pool_min")
    if isinstance(most, int) and least is not None and least > most > 0:
        pool, pool_min = labels.get(POOL, "--pool"), labels.get("pool_min", "--pool-min")
        yield f"{pool_min} must be at most {pool}, which is {most} (got {least})"


def idle(labels: Mapping[str, str], values: Mapping[str, Any]) -> Iterator[str]:
    """Say which settings do nothing: for want of a pool, or of processes that are its own.

    *labels*: by name of a setting that was given, what it is called there.
    """
    runs = values.get("pool_engine", engine.PROCESSES)
    has_processes = runs == engine.PROCESSES or engine.wrong(runs) is not None  # which is told
    for name in [each for each in KEYS.values() if each in labels]:
        if POOL not in labels:
            yield f"{labels[name]} does nothing without --pool"
        elif name in OF_PROCESSES and not has_processes:
            yield f"{labels[name]} does nothing with {runs} as the pool's engine"
