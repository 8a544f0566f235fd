"""What a fleet is to be, in numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Times in seconds. *templates*: False where the primary forks workers itself."""

    workers: int
    templates: bool
    preload: bool
    start_timeout: float
    graceful_timeout: float
    min_uptime: float = 1.0  # PM2's default; a life that long is replaced without delay
    reload_parallel: int | None = None  # slots that a reload moves at a time; None: a quarter
    pool: int = 0  # processes of each generation's pool, at most
    pool_min: int = 0  # that are always there
    waits_for_code: bool = False  # after a first start that failed, wait for the next reload
    most_workers: int = 1024  # that the fleet may be scaled to
    scripted: bool = False  # a script says who is forked; nobody is replaced unasked

    @property
    def is_bare(self) -> bool:
        """Whether it has a pool and no workers: tasks come from who is not of the fleet."""
        return self.workers == 0 and not self.scripted

    def at_a_time(self, slots: int) -> int:
        """How many workers may be replaced at a time: Kubernetes' maxSurge is a quarter too."""
        return self.reload_parallel or max(1, slots // 4)
