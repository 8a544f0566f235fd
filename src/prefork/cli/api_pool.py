"""The chapter about the module `pool` on the reference page of the Python API."""

from prefork import pool
from prefork.cli.signatures import entry, first

FUNCTIONS = (pool.run, pool.map, pool.stream, pool.broadcast, pool.run_sync, pool.stats)
CLASSES = (pool.PoolStats, pool.Quantiles)
ERRORS = (
    pool.PoolError,
    pool.PoolFull,
    pool.TaskTimeout,
    pool.TaskLost,
    pool.RemoteError,
    pool.TaskCancelled,
)

_HEAD = """\
## The module `pool`

`from prefork import pool`, in a worker: how it is used is told in
[CPU-bound work](../howto/cpu-bound-work.md). Where no worker runs, and where `--pool` is 0, each of
these raises PoolError.
"""
_ERRORS = """\
### Exceptions of the pool

| exception | is raised for |
|---|---|
{}
"""


def chapter() -> list[str]:
    """Render it, in blocks."""
    rows = [f"| `pool.{each.__name__}` | {first(each)} |" for each in ERRORS]
    return [
        _HEAD,
        *(entry(f"pool.{each.__name__}", each) for each in (*FUNCTIONS, *CLASSES)),
        _ERRORS.format("\n".join(rows)),
    ]
