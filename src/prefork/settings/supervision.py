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
