"""Who is in the fleet: its processes, and the slots that workers fill."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from prefork.core.messages import Failed
from prefork.core.process import Phase, Process, Role, Step
from prefork.core.restart import EarlyDeaths, ShortLives


@dataclass(slots=True)
class Slot:
    """A place for one worker. It outlives its processes, and may hold several: one that stays."""

    index: int
    current: Process | None = None  # the one that is to serve; its elders are on their way out
    retry_at: float = 0.0  # not filled before
    restarts: int = 0
    short_lives: ShortLives = field(default_factory=ShortLives)


@dataclass(slots=True)
class Generation:
    """One loading of the application's code, and the template that holds it."""

    number: int
    preload: bool  # its template imports the application
    template: Process | None = None
    retry_at: float = 0.0  # no template is started before
    failure: Failed | None = None  # what its application said last
    has_served: bool = False  # some worker of it was ready
    worker_deaths: EarlyDeaths = field(default_factory=EarlyDeaths)
    template_deaths: EarlyDeaths = field(default_factory=EarlyDeaths)


class Roster:
    """The processes by id. An id is never used again; an exit takes it off the list."""

    def __init__(self, slots: int) -> None:
        self.slots = [Slot(index) for index in range(slots)]
        self.processes: dict[int, Process] = {}
        self._last_id = 0

    def new(self, role: Role, generation: int, now: float, deadline: float) -> Process:
        self._last_id += 1
        process = Process(self._last_id, role, generation, now, deadline=deadline)
        self.processes[process.id] = process
        return process

    def get(self, id: int) -> Process | None:
        """None: it exited, and this fact was on its way meanwhile."""
        return self.processes.get(id)

    def remove(self, process: Process) -> None:
        process.advance(Step.EXIT)
        del self.processes[process.id]
        if process.slot is not None and self.slots[process.slot].current is process:
            self.slots[process.slot].current = None

    def of(self, role: Role) -> list[Process]:
        return [p for p in self.processes.values() if p.role is role]

    def elders(self, process: Process) -> Iterator[Process]:
        """Those in the process's slot that wait for it to serve."""
        for other in self.of(Role.WORKER):
            if other.slot == process.slot and other.phase is Phase.LEAVING:
                yield other

    def stillborn(self, template: Process) -> list[Process]:
        """Workers that were killed before the template, now gone, told their pids."""
        return [
            p
            for p in self.of(Role.WORKER)
            if p.parent == template.id and p.pid is None and p.phase is Phase.KILLED
        ]

    def serving(self) -> int:
        """How many slots have a worker that takes connections."""
        return len(
            {
                p.slot
                for p in self.processes.values()
                if p.slot is not None and p.phase in (Phase.SERVING, Phase.LEAVING)
            }
        )

    def all_serve(self) -> bool:
        return self.serving() == len(self.slots)

    def late(self, now: float) -> list[Process]:
        return [p for p in self.processes.values() if p.deadline is not None and p.deadline <= now]
