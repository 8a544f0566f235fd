"""What the core is told (facts) and what it asks for (orders): plain frozen values."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

Level = Literal["debug", "info", "warning", "error"]


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


# -- facts -------------------------------------------------------------------


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
    """A worker has done or become as much as it may; its successor is to serve before it goes."""

    id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Overgrown:
    """A worker takes more memory than it may at the very most."""

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


ProcessFact = (
    Forked | Ready | Proven | Declined | Failed | Leaving | LeftRotation | Misbehaved | Exited
)
Sighting = Blocked | Recovered | TimedOut  # of a worker, by the watchdog
Finding = Worn | Overgrown  # about a worker, by the inspector
Request = StopRequested | QuitRequested | ReloadRequested | ScaleRequested
Fact = ProcessFact | Sighting | Finding | Request

# -- orders ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartTemplate:
    """Fork a template; *loaded*: it imports the application before it forks workers."""

    id: int
    generation: int
    loaded: bool


@dataclass(frozen=True, slots=True)
class Spawn:
    """Have *template* fork a worker; None: fork it directly."""

    id: int
    slot: int
    generation: int
    template: int | None


@dataclass(frozen=True, slots=True)
class Admit:
    """Put the worker into rotation."""

    id: int


@dataclass(frozen=True, slots=True)
class Suspend:
    """Out of rotation, unasked; what it was given and has not taken is given to others."""

    id: int


@dataclass(frozen=True, slots=True)
class Resume:
    """Back into rotation."""

    id: int


@dataclass(frozen=True, slots=True)
class CloseListeners:
    """Give out what was accepted and refuse new connections; workers are asked to stop next."""


@dataclass(frozen=True, slots=True)
class AskToStop:
    """Out of rotation, then ask the process to finish within *grace* seconds.

    *hands_back*: others serve, and take over the connections on which it has nothing to finish.
    """

    id: int
    grace: float
    hands_back: bool = False


@dataclass(frozen=True, slots=True)
class Abort:
    """Out of rotation, and SIGABRT. *reason*: to be logged with its exit."""

    id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill the process. One without a pid, whose template is gone, counts as gone too."""

    id: int
    reason: str = field(default="", compare=False)  # to be logged with its exit


@dataclass(frozen=True, slots=True)
class AnnounceReady:
    """Every slot has a serving worker, for the first time."""


class ReloadState(Enum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class ReloadStatus:
    """How far a reload is, or how it ended. Times are monotonic seconds."""

    generation: int  # that it loads; no other reload ever has its number
    state: ReloadState
    slots: int
    started: float
    moved: int = 0  # slots whose worker runs the new code; after a failure: that keep it
    finished: float | None = None
    reason: str = ""  # why it failed or was cancelled
    detail: str = ""  # the application's own traceback


@dataclass(frozen=True, slots=True)
class TellReload:
    """A reload has begun, moved a slot, or ended: tell those who wait for it."""

    status: ReloadStatus


@dataclass(frozen=True, slots=True)
class Note:
    """Tell the log of a decision."""

    level: Level
    event: str
    fields: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Finish:
    code: int


Order = (
    StartTemplate
    | Spawn
    | Admit
    | Suspend
    | Resume
    | CloseListeners
    | AskToStop
    | Abort
    | Kill
    | AnnounceReady
    | TellReload
    | Note
    | Finish
)
