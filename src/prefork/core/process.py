"""The life of one process of the fleet, as a table."""

from dataclasses import dataclass, field
from enum import Enum

from prefork.core.facts import Failed
from prefork.errors import ExitCode, TransitionError


class Role(Enum):
    TEMPLATE = "template"
    WORKER = "worker"
    HUB = "hub"
    POOL = "pool"


class Phase(Enum):
    """How far a process has come; docs/reference/states.md is made from this."""

    def __new__(cls, value: str, meaning: str) -> "Phase":
        phase = object.__new__(cls)
        phase._value_ = value
        phase.meaning = meaning
        return phase

    meaning: str

    SPAWNING = "spawning", "asked for; its pid is not known yet"
    STARTING = "starting", "forked; the application is loading"
    READY = "ready", "a worker of a reload is on trial; any other process does its work"
    SERVING = "serving", "a worker in rotation: it takes connections"
    LEAVING = "leaving", "serves until its successor does"
    DRAINING = "draining", "told to stop; it finishes its requests, or its task"
    ABORTED = "aborted", "blocked for `worker_timeout`: SIGABRT was sent, SIGKILL follows"
    KILLED = "killed", "SIGKILL was sent; its exit is awaited"
    GONE = "gone", "it has exited, or never lived"


class Step(Enum):
    FORKED = "forked"
    READY = "ready"
    ADMIT = "admit"
    LEAVE = "leave"
    DECLINE = "decline"
    STOP = "stop"
    ABORT = "abort"
    KILL = "kill"
    EXIT = "exit"


LOADING = frozenset({Phase.SPAWNING, Phase.STARTING})

TRANSITIONS = {
    (Phase.SPAWNING, Step.FORKED): Phase.STARTING,
    (Phase.SPAWNING, Step.STOP): Phase.DRAINING,  # the order waits in the channel it will inherit
    (Phase.SPAWNING, Step.KILL): Phase.KILLED,  # its template is silent
    (Phase.SPAWNING, Step.EXIT): Phase.GONE,  # its channel ended before it had a pid
    (Phase.STARTING, Step.READY): Phase.READY,
    (Phase.STARTING, Step.DECLINE): Phase.DRAINING,  # a template that ends of its own accord
    (Phase.STARTING, Step.STOP): Phase.DRAINING,
    (Phase.STARTING, Step.KILL): Phase.KILLED,
    (Phase.STARTING, Step.EXIT): Phase.GONE,
    (Phase.READY, Step.ADMIT): Phase.SERVING,
    (Phase.READY, Step.LEAVE): Phase.DRAINING,  # it has nothing to finish: its trial begins anew
    (Phase.READY, Step.STOP): Phase.DRAINING,
    (Phase.READY, Step.ABORT): Phase.ABORTED,
    (Phase.READY, Step.KILL): Phase.KILLED,
    (Phase.READY, Step.EXIT): Phase.GONE,
    (Phase.SERVING, Step.LEAVE): Phase.LEAVING,
    (Phase.SERVING, Step.STOP): Phase.DRAINING,
    (Phase.SERVING, Step.ABORT): Phase.ABORTED,
    (Phase.SERVING, Step.KILL): Phase.KILLED,
    (Phase.SERVING, Step.EXIT): Phase.GONE,
    (Phase.LEAVING, Step.LEAVE): Phase.LEAVING,  # worn, and then told to go by somebody else
    (Phase.LEAVING, Step.STOP): Phase.DRAINING,
    (Phase.LEAVING, Step.ABORT): Phase.ABORTED,
    (Phase.LEAVING, Step.KILL): Phase.KILLED,
    (Phase.LEAVING, Step.EXIT): Phase.GONE,
    (Phase.DRAINING, Step.FORKED): Phase.DRAINING,  # the stop overtook the fork
    (Phase.DRAINING, Step.READY): Phase.DRAINING,  # crossed our stop on the wire
    (Phase.DRAINING, Step.LEAVE): Phase.DRAINING,  # likewise
    (Phase.DRAINING, Step.DECLINE): Phase.DRAINING,  # likewise
    (Phase.DRAINING, Step.STOP): Phase.DRAINING,  # a second, shorter deadline
    (Phase.DRAINING, Step.KILL): Phase.KILLED,
    (Phase.DRAINING, Step.EXIT): Phase.GONE,
    (Phase.ABORTED, Step.LEAVE): Phase.ABORTED,  # it caught the signal, and turns again
    (Phase.ABORTED, Step.STOP): Phase.ABORTED,  # the stop's deadline may be the sooner
    (Phase.ABORTED, Step.KILL): Phase.KILLED,
    (Phase.ABORTED, Step.EXIT): Phase.GONE,
    (Phase.KILLED, Step.FORKED): Phase.KILLED,  # killed before its pid was known
    (Phase.KILLED, Step.EXIT): Phase.GONE,
}


@dataclass(slots=True, eq=False)
class Process:
    """One process, from the order that makes it to its exit. *id* is never used again."""

    id: int
    role: Role
    generation: int
    spawned_at: float
    slot: int | None = None  # of a worker; of a pool process: among those of its generation
    parent: int | None = None  # id of the template that forks it
    phase: Phase = Phase.SPAWNING
    pid: int | None = None
    ready_at: float | None = None
    failure: Failed | None = None  # what its application said
    crime: str = ""  # why it was killed
    is_sacrificed: bool = False  # killed for its task, of which its code is not guilty
    is_heir: bool = False  # it comes, or came, to take over from another
    is_proven: bool = False  # may be admitted: it was not on trial, or has come through
    is_blocked: bool = False  # its event loop doesn't turn
    is_in_rotation: bool = False  # a new connection may reach it, until it says that none will
    deadline: float | None = field(default=None, kw_only=True)  # None: nothing is expected of it

    def allows(self, step: Step) -> bool:
        return (self.phase, step) in TRANSITIONS

    def advance(self, step: Step, *, deadline: float | None = None) -> None:
        """Take the step; raises TransitionError where the table has none."""
        if not self.allows(step):
            raise TransitionError(self.id, step.name, self.phase.name)
        self.phase = TRANSITIONS[self.phase, step]
        self.deadline = deadline

    def has_cut(self, status: int) -> bool:
        """Whether it has gone before all that it had was finished. *status*: of its exit."""
        if self.role is not Role.WORKER:
            return False
        is_unclean = status != ExitCode.OK or self.is_in_rotation  # it left in the middle
        return self.phase is Phase.KILLED or (self.ready_at is not None and is_unclean)

    def uptime(self, now: float) -> float | None:
        """Seconds since it was ready; None if it never was."""
        return None if self.ready_at is None else now - self.ready_at
