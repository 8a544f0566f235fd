"""What the core asks for: plain frozen values."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

Level = Literal["debug", "info", "warning", "error"]


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
class SpawnPool:
    """Likewise a process of the generation's pool; *slot*: its place in that."""

    id: int
    slot: int
    generation: int
    template: int | None


@dataclass(frozen=True, slots=True)
class StartHub:
    """Fork a hub."""

    id: int
    generation: int


@dataclass(frozen=True, slots=True)
class Appoint:
    """Tell the worker that it leads."""

    id: int


@dataclass(frozen=True, slots=True)
class Admit:
    """Put the worker into rotation."""

    id: int


@dataclass(frozen=True, slots=True)
class OpenHub:
    """Introduce the hub to those who want it."""

    id: int


@dataclass(frozen=True, slots=True)
class OpenPool:
    """Lay a line from the pool process, which is ready, to each worker of its generation that wants
    one."""

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
class GiveUp:
    """The worker of this id, which had to wait for its time, is never spawned."""

    id: int


@dataclass(frozen=True, slots=True)
class ReleaseListeners:
    """All workers of a script have gone that it told to: close what nobody listens on."""


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
    """For the first time every slot has a serving worker, and the pool is whole.

    Of a script's workers, one serves; of a pool alone, the template could fork another too.
    """


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
    | SpawnPool
    | StartHub
    | Appoint
    | Admit
    | OpenHub
    | OpenPool
    | Suspend
    | Resume
    | CloseListeners
    | GiveUp
    | ReleaseListeners
    | AskToStop
    | Abort
    | Kill
    | AnnounceReady
    | TellReload
    | Note
    | Finish
)
