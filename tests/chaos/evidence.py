"""What is known of a round when it is over: plain values, for verdicts to be made of."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.schedule import Kind, Round
from tests.chaos.timeline import Timeline
from tests.support.journal import Entry
from tests.support.program import Stats
from tests.support.tidings import Report


@dataclass(frozen=True, slots=True)
class Deed:
    """A fault as it came to be."""

    at: float  # monotonic seconds, just before it was done
    what: str  # of schedule.Kind
    pid: int = 0  # whom it befell; 0: nobody in particular
    until: float = 0.0  # when it was over; as long as it lasts: never


@dataclass(frozen=True, slots=True)
class Sample:
    at: float  # monotonic seconds, just after the statistics came
    stats: Stats


@dataclass(frozen=True, slots=True)
class Rest:
    """What an instance holds while nothing happens."""

    primary: Counter[str]  # descriptors, by kind
    workers: list[Counter[str]]
    strangers: list[str]  # children of the primary that it doesn't account for
    named_memory: list[str]  # shared memory with a name, which could outlive them


@dataclass(slots=True)
class End:
    """How the instance ended, and what it left."""

    code: int = 0
    survivors: list[int] = field(default_factory=list)
    is_control_left: bool = False


@dataclass(slots=True)
class Evidence:
    round: Round
    timeline: Timeline
    deeds: list[Deed] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    report: Report = field(default_factory=Report)
    entries: list[Entry] = field(default_factory=list)  # of the log
    wedged: list[Deed] = field(default_factory=list)  # as the workers said themselves
    rest_before: Rest | None = None
    rest_after: Rest | None = None
    end: End = field(default_factory=End)
    broken_off: str = ""  # why the round could not be ended as it should

    def of(self, *kinds: str) -> list[Deed]:
        return [deed for deed in self.deeds if deed.what in kinds]

    def wounds(self) -> list[Deed]:
        """Return when which workers were stopped or blocked."""
        return [*self.of(Kind.STOP, Kind.STOP_FOR_GOOD), *self.wedged]


def totals(stats: Stats) -> dict[str, int]:
    found: dict[str, Any] = stats["totals"]
    return found


def wedged(lines: list[str]) -> list[Deed]:
    """Return what workers have said of their being blocked."""
    found = []
    for line in lines:
        words = line.split()
        if words[:3] == ["app:", "wedged", "for"]:
            seconds, at, pid = float(words[3]), float(words[5]), int(words[7])
            found.append(Deed(at, Kind.WEDGE, pid, at + seconds))
    return found
