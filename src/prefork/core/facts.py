"""What the core is told: plain frozen values."""

from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """How far an application came before it failed."""

    SETTINGS = "settings"  # what they name can't be used, and the application wasn't looked at
    IMPORT = "import"
    STARTUP = "startup"


class Verdict(Enum):
    """Why a worker's event loop doesn't turn; as the log and `stats` say it."""

    LOOP = "loop"  # it is blocked, while other threads of the worker run
    INTERPRETER = "interpreter"  # no Python runs in any thread: something holds the GIL
    STOPPED = "stopped"  # by a signal, or a debugger


@dataclass(frozen=True, slots=True)
class Forked:
    """The process exists. A worker's may come after its READY, or never."""

    id: int
    pid: int


@dataclass(frozen=True, slots=True)
class Ready:
    """A template has loaded, or a worker serves."""

    id: int


@dataclass(frozen=True, slots=True)
class Proven:
    """A worker's event loop has turned for `min_uptime` since it was ready."""

    id: int


@dataclass(frozen=True, slots=True)
class Declined:
    """A template found that its application can't be forked after the import, and ends.

    *reasons*: what the import left behind.
    """

    id: int
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """The application failed in the process, which ends. *detail*: its own traceback."""

    id: int
    stage: Stage
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Leaving:
    """A worker asks to be replaced; it serves on until it is told to stop."""

    id: int


@dataclass(frozen=True, slots=True)
class LeftRotation:
    """A worker that was told to stop has all the connections that it will ever have."""

    id: int


@dataclass(frozen=True, slots=True)
class Misbehaved:
    """The process sent what no process of ours sends."""

    id: int


@dataclass(frozen=True, slots=True)
class Exited:
    """The process is gone, or never lived. *status*: exit code, or minus the signal's number."""

    id: int
    status: int
    reason: str = ""  # where the host knows one: why there was no process
    was_idle: bool = False  # a pool process that never had a task: none has killed it


@dataclass(frozen=True, slots=True)
class Blocked:
    """The worker's event loop has not turned for `block_warn`, though it could have."""

    id: int
    verdict: Verdict
    seconds: float


@dataclass(frozen=True, slots=True)
class Recovered:
    """It turns again. *seconds*: since its last turn before."""

    id: int
    seconds: float


@dataclass(frozen=True, slots=True)
class TimedOut:
    """It has not turned for `worker_timeout`; `Blocked` was told before."""

    id: int
    verdict: Verdict
    seconds: float


@dataclass(frozen=True, slots=True)
class Worn:
    """A worker has done or become as much as it may; its successor is to serve before it goes.

    Or a pool process, which is replaced at once: it says so itself, while it has no task.
    """

    id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Overgrown:
    """A worker takes more memory than it may at the very most; or a task won't end."""

    id: int
    reason: str


@dataclass(frozen=True, slots=True)
class StopRequested:
    """SIGTERM, SIGINT or `prefork stop`. A second one shortens the deadline."""


@dataclass(frozen=True, slots=True)
class QuitRequested:
    """SIGQUIT: stop without waiting for requests."""


@dataclass(frozen=True, slots=True)
class ReloadRequested:
    """SIGHUP or `prefork reload`: load the code anew. During a reload: once more after it."""


@dataclass(frozen=True, slots=True)
class ScaleRequested:
    """SIGTTIN, SIGTTOU or `prefork scale`: *by* more workers, or fewer where it is negative."""

    by: int


@dataclass(frozen=True, slots=True)
class ForkRequested:
    """A script wants a worker. *id* and *slot*: as `Fleet.reserve` has named it."""

    id: int
    slot: int


@dataclass(frozen=True, slots=True)
class DisconnectRequested:
    """A script wants a worker to finish and go; None: all that there are now."""

    id: int | None


@dataclass(frozen=True, slots=True)
class HubWanted:
    """A worker wants to publish or to subscribe."""


@dataclass(frozen=True, slots=True)
class Idle:
    """A pool process has had nothing to do for `pool_idle_timeout`."""

    id: int


@dataclass(frozen=True, slots=True)
class PoolWanted:
    """Tasks of a worker of this generation wait, as no process of its pool is free."""

    generation: int


ProcessFact = (
    Forked | Ready | Proven | Declined | Failed | Leaving | LeftRotation | Misbehaved | Exited
)
Sighting = Blocked | Recovered | TimedOut  # of a worker, by the watchdog
Finding = Worn | Overgrown  # about a worker, by the inspector; about a pool process, by who knows
Need = Idle | PoolWanted  # of the pool, for fewer processes or more
Wish = ForkRequested | DisconnectRequested  # of a script
Request = StopRequested | QuitRequested | ReloadRequested | ScaleRequested | Wish
Fact = ProcessFact | Sighting | Finding | Need | Request | HubWanted
