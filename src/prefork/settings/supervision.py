"""Settings that say when a worker that serves is taken for one that doesn't, and replaced."""

from dataclasses import dataclass

from prefork.settings import checks
from prefork.settings.declaration import setting


@dataclass(frozen=True, kw_only=True)
class Supervision:
    """What the primary does about workers that live, and don't do well."""

    block_warn: float = setting(
        2.0,
        section="Processes",
        check=checks.seconds(above=1),  # a worker gives a sign of life every half second
        unit="seconds",
        help="How long a worker's event loop may stand still before the worker gets no new "
        "connections, and the log says where it hangs.",
    )
    worker_timeout: float = setting(
        30.0,  # as gunicorn's --timeout
        section="Processes",
        check=checks.patience(above=1),
        unit="seconds",
        help="How long a worker's event loop may stand still before the worker is killed and "
        "replaced; time in which the worker could not have run doesn't count. 0 is for ever.",
    )
    max_requests: int = setting(
        0,  # as gunicorn's and uvicorn's
        section="Processes",
        check=checks.at_least(0),
        unit="requests",
        help="How many requests a worker answers before it is replaced. 0 is any number.",
    )
    max_requests_jitter: int = setting(
        0,
        section="Processes",
        check=checks.at_least(0),
        unit="requests",
        help="By how many more that may be, for each worker another number.",
    )
    max_lifetime: float = setting(
        0.0,
        section="Processes",
        check=checks.seconds(),
        unit="seconds",
        help="How long a worker serves before it is replaced, or up to a tenth longer. 0 is for "
        "ever.",
    )
    max_memory: str | None = setting(
        None,
        section="Processes",
        check=checks.memory,
        metavar="SIZE",
        unset="any",
        example="500MB",
        help="How much memory a worker may have resident: one that has more is replaced. In "
        "bytes, or as in 500MB or 1.5GB.",
    )
    max_memory_hard: str | None = setting(
        None,
        section="Processes",
        check=checks.memory,
        metavar="SIZE",
        unset="twice --max-memory",
        example="1GB",
        help="At how much memory a worker is killed, though it has no successor yet.",
    )
