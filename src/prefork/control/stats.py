"""The shape of the answer to `stats`, as far as commands show it."""

from typing import Any

import msgspec

from prefork.control.protocol import shaped


class Process(msgspec.Struct, kw_only=True):
    """What every process has; the last three are measured by the command."""

    pid: int | None = None  # None: it is being forked
    cpu_percent: float | None = None
    rss: int | None = None  # bytes
    pss: int | None = None  # bytes


class Worker(Process, kw_only=True):
    slot: int
    state: str
    generation: int
    uptime: float | None = None  # seconds
    restarts: int = 0
    connections: int = 0
    accepted: int = 0
    requests: int = 0
    in_flight: int = 0
    loop_lag_ms: float | None = None


class Template(Process, kw_only=True):
    state: str
    generation: int
    uptime: float | None = None


class Generation(msgspec.Struct, kw_only=True):
    """The live processes of one loading of the code."""

    generation: int
    workers: int
    serving: int
    templates: int


class Reload(msgspec.Struct, kw_only=True):
    """The latest reload. Times are Unix seconds."""

    state: str
    generation: int
    moved: int
    slots: int
    started: float
    finished: float | None = None
    reason: str = ""


class Totals(msgspec.Struct, kw_only=True):
    accepted: int = 0
    requests: int = 0
    exits: int = 0


class Memory(msgspec.Struct, kw_only=True):
    rss: int | None = None
    pss: int | None = None


class Stats(msgspec.Struct, kw_only=True):
    name: str
    pid: int
    app: str
    bind: list[str]
    state: str
    generation: int
    uptime: float
    version: str = ""
    policy: str = ""
    workers_wanted: int
    workers: list[Worker]
    templates: list[Template] = []
    generations: list[Generation] = []
    reload: Reload | None = None
    totals: Totals = msgspec.field(default_factory=Totals)
    primary: Process = msgspec.field(default_factory=Process)
    memory: Memory = msgspec.field(default_factory=Memory)

    @property
    def ready(self) -> int:
        """How many workers take connections; one that is leaving does until its successor does."""
        return sum(worker.state in ("serving", "leaving") for worker in self.workers)

    @property
    def is_healthy(self) -> bool:
        """Whether every wanted worker serves, and one that dies could be replaced at once."""
        return self.state == "serving" and self.ready >= self.workers_wanted


def read(name: str, answer: dict[str, Any]) -> Stats:
    """Read an answer. Raises ControlError where it is not what a prefork of today says."""
    return shaped(name, answer, Stats)
