"""When a process of the pool has done, or become, as much as it may."""

import os
from dataclasses import dataclass

from prefork.settings.schema import Settings
from prefork.settings.size import bytes_of

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class Wear:
    """*most_tasks*, *most_memory* (bytes resident): 0 is no limit."""

    most_tasks: int
    most_memory: int
    tasks: int = 0

    @classmethod
    def of(cls, settings: Settings) -> "Wear":
        memory = settings.pool_max_memory
        return cls(settings.pool_max_tasks, 0 if memory is None else bytes_of(memory))

    def note_task(self) -> str:
        """Count a task that has ended; say why this process is to be replaced, or nothing."""
        self.tasks += 1
        if self.most_tasks and self.tasks >= self.most_tasks:
            return f"it has run {self.tasks} tasks (pool_max_tasks)"
        if self.most_memory and (resident := _resident()) > self.most_memory:
            return f"it takes {resident // 2**20} MiB (pool_max_memory)"
        return ""


def _resident() -> int:
    """Bytes of memory that this process has resident; 0 where the system doesn't say."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * _PAGE
    except OSError:
        return 0
