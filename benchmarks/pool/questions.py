"""What is asked of every pool, and by how much prefork's answer must be better than whose."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.pool.contenders import CORES, EXECUTOR, NODE_CORES, PISCINA


@dataclass(frozen=True, slots=True)
class Effort:
    """How often each thing is done before it is an answer."""

    trips: int
    flights: int
    megabytes: int
    carried: int
    tasks: int


FULL = Effort(trips=2000, flights=5000, megabytes=50, carried=3, tasks=800)
SHORT = Effort(trips=20, flights=40, megabytes=1, carried=1, tasks=8)


@dataclass(frozen=True, slots=True)
class Question:
    """*line*: as a peer is asked, once it is filled in with an effort and loops of `busy`.

    *bars*: by pool: prefork's time, as a share of its, at most; of rates, at least.
    """

    title: str
    line: str
    unit: str
    bars: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_rate(self) -> bool:
        return self.unit == "tasks/s"

    def is_for(self, name: str) -> bool:
        """The cores alone have no way there and back."""
        return name not in (CORES, NODE_CORES) or "{loops}" in self.line


TRIP = Question("an empty task", "trip/{effort.trips}", "µs", bars={EXECUTOR: 0.5, PISCINA: 1.0})
TAKE = Question("50 MB in", "take/{effort.megabytes}/{effort.carried}", "ms", bars={EXECUTOR: 0.2})
ECHO = Question(
    "50 MB in and out", "echo/{effort.megabytes}/{effort.carried}", "ms", bars={EXECUTOR: 0.2}
)
ADD = Question(
    "50 MB in and out, read on both sides", "add/{effort.megabytes}/{effort.carried}", "ms"
)
FLIGHT = Question("empty tasks, 16 under way", "flight/{effort.flights}/16", "tasks/s")
BUSY = Question(
    "tasks of 5 ms, 16 under way", "busy/{loops}/{effort.tasks}/16", "tasks/s", bars={CORES: 0.95}
)
QUESTIONS = (TRIP, FLIGHT, TAKE, ECHO, ADD, BUSY)
