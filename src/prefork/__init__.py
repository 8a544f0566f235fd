"""A pre-fork HTTP server supervisor: one primary, N workers, nothing lost."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefork.cluster.declared import Cluster as Cluster
    from prefork.cluster.handle import Address as Address
    from prefork.cluster.handle import Worker as Worker
    from prefork.cluster.pooled import Pool as Pool
    from prefork.memory.array import SharedArray as SharedArray
    from prefork.memory.counter import SharedCounter as SharedCounter
    from prefork.worker.extension import extend_timeout as extend_timeout
    from prefork.worker.handler import Request as Request
    from prefork.worker.hooks import InstanceInfo as InstanceInfo
    from prefork.worker.hooks import WorkerInfo as WorkerInfo
    from prefork.worker.response import Response as Response

__version__ = "0.1.0"

# Imported when asked for, so that the primary never loads what handlers and hooks use; `cluster` is
# a module, which the import system finds by itself.
_LAZY = {
    "Address": "prefork.cluster.handle",
    "Cluster": "prefork.cluster.declared",
    "InstanceInfo": "prefork.worker.hooks",
    "Pool": "prefork.cluster.pooled",
    "Request": "prefork.worker.handler",
    "Response": "prefork.worker.response",
    "SharedArray": "prefork.memory.array",
    "SharedCounter": "prefork.memory.counter",
    "Worker": "prefork.cluster.handle",
    "WorkerInfo": "prefork.worker.hooks",
    "extend_timeout": "prefork.worker.extension",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_LAZY[name]), name)
