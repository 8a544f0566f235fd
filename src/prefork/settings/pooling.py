"""Settings of the pool for CPU-bound work."""

from dataclasses import dataclass
from typing import Literal

from prefork.settings import checks
from prefork.settings.declaration import setting

MOST_POOL = 256  # processes


@dataclass(frozen=True, kw_only=True)
class Pooling:
    """How many processes run tasks, for how long, and with how much."""

    pool: int | Literal["max"] = setting(
        0,
        section="Pool",
        check=checks.between(0, MOST_POOL, other="max"),
        help="How many processes, at most, run what workers give to prefork.pool: CPU-bound work "
        "that would block their event loops; max: one for each CPU this process may use. 0 is no "
        "pool.",
    )
    pool_min: int | None = setting(
        None,
        section="Pool",
        check=checks.between(0, MOST_POOL),
        unset="as many as --pool",
        example=1,
        help="How many of them are always there; the others come when tasks wait.",
    )
    pool_idle_timeout: float = setting(
        10.0,
        section="Pool",
        check=checks.seconds(above=0),
        unit="seconds",
        help="After how long without a task a process goes that is more than --pool-min.",
    )
    pool_queue: int = setting(
        1024,
        section="Pool",
        check=checks.at_least(1),
        unit="tasks",
        help="How many tasks may wait for a process, in all workers together; each has its share. "
        "One more is refused by PoolFull, which is answered by 503 where nobody catches it.",
    )
    pool_timeout: float = setting(
        0.0,
        section="Pool",
        check=checks.seconds(),
        unit="seconds",
        help="How long a task may run that says nothing else, from its start. 0 is no limit.",
    )
    pool_grace: float = setting(
        1.0,
        section="Pool",
        check=checks.seconds(above=0),
        unit="seconds",
        help="How long a task that was cancelled, or has run for too long, may take to end before "
        "its process is killed.",
    )
    pool_initializer: str | None = setting(
        None,
        section="Pool",
        check=checks.function,
        metavar="MODULE:FUNCTION",
        unset="none",
        example="app:warm_up",
        help="What each process calls before it takes its first task.",
    )
    pool_nice: int = setting(
        0,
        section="Pool",
        check=checks.between(0, 19),
        help="By how much the processes of the pool give way to others: 0 not at all, 19 most.",
    )
    pool_memory_limit: str | None = setting(
        None,
        section="Pool",
        check=checks.memory,
        metavar="SIZE",
        unset="no limit",
        example="512MB",
        help="How much memory one task may allocate; beyond that it gets a MemoryError.",
    )
    pool_max_tasks: int = setting(
        0,
        section="Pool",
        check=checks.at_least(0),
        unit="tasks",
        help="After how many tasks a process of the pool is replaced. 0 is never.",
    )
    pool_max_memory: str | None = setting(
        None,
        section="Pool",
        check=checks.memory,
        metavar="SIZE",
        unset="no limit",
        example="1GB",
        help="With how much memory a process of the pool is replaced, once its task has ended.",
    )
    pool_engine: str = setting(
        "processes",
        section="Pool",
        check=checks.anything,
        help="What runs tasks: processes; threads of the worker itself, for work that releases the "
        "GIL; or dask://HOST:PORT, a Dask cluster.",
    )
