"""What a row of the comparison is: something that is done to a server, and what became of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.versus.contenders import PYTHON, Contender

WORKERS = 2


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of everything is done. Times are in seconds."""

    reloads: int = 6
    apart: float = 2.0  # at least, between two reloads or kills
    kills: int = 5
    silent: int = 10  # connections
    arrivals: int = 400  # connections
    broken: float = 12.0  # of probing, once the code is broken
    import_takes: float = 20.0
    imported: float = 6.0  # of probing, once the import is over
    wedge: float = 25.0
    graces: tuple[float | None, ...] = (None, 5.0)  # None: what the server does untold
    longest_stop: float = 40.0  # every default grace is 30 s at most, or none at all
    watched: float = 3.0  # of processor time
    rounds: int = 15  # of a second's load


FULL = Effort()
SHORT = Effort(
    reloads=2,
    apart=0.5,
    kills=2,
    arrivals=40,
    broken=2.0,
    import_takes=1.0,
    imported=9.0,  # a reload takes 4 s where six processes want each core
    wedge=6.0,
    graces=(1.0,),
    longest_stop=10.0,
    watched=1.0,
    rounds=3,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a server in a row, in a few words, and whether prefork promises as much."""

    cell: str
    is_kept: bool
    facts: Mapping[str, Any] = field(default_factory=dict)  # for whoever wants to know more


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    title: str
    done: str  # a sentence: what is done
    counted: str  # a sentence: what the cell tells
    promise: str  # what prefork's cell must be
    run: Callable[[Contender, Effort], Outcome]
    among: tuple[str, ...] = PYTHON  # names of the servers that it says something about
    is_quiet: bool = False  # mere waiting: all servers may be at it at the same time
