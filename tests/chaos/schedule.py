"""What befalls a fleet, and when: drawn from a seed alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from random import Random
from typing import Literal, TypeVar

from tests.support.policies import POLICIES

ROUND = 20.0  # seconds of one instance's life, about
CALM = 1.0  # second before the first fault
QUIET = 4.0  # seconds after the last one, of which most are spent on getting well
FOREVER = 3600.0  # seconds: longer than any round
WORKERS = 3
MORE = 3  # workers that may be added to these
PRELOADS = ("on", "off")
CLIENTS = ("per_request", "posting", "talking")  # their kinds, see support/tidings.py
LOADS = ((4, 0.02), (6, 0.005), (12, 0.002))  # clients of each kind, seconds between requests
T = TypeVar("T")


class Kind(StrEnum):
    KILL = "kill -9 a worker"
    KILL_ALL = "kill -9 all workers"
    STOP = "stop a worker, continue it later"
    STOP_FOR_GOOD = "stop a worker until the primary kills it"
    WEDGE = "block a worker's event loop"
    WEDGE_AND_KILL = "block a worker's event loop, then kill -9 it"
    WEDGE_FOR_GOOD = "block a worker's event loop until the primary kills it"
    SEND_OFF = "tell a worker to go, behind the primary's back"
    KILL_TEMPLATE = "kill -9 a template"
    PAUSE_PRIMARY = "stop the primary, continue it later"
    RELOAD = "reload new code"
    SLOW_IMPORT = "reload code that is slow to import"
    BROKEN_IMPORT = "reload code that can't be imported, then code that can"
    HANG_UP = "hang up many times"
    MORE = "one worker more, by signal"
    FEWER = "one worker fewer, by signal"
    SCALE = "prefork scale"
    DUMP = "prefork dump"
    STARVE = "take a worker's free descriptors"
    STARVE_PRIMARY = "take the primary's free descriptors"


# How often each is in the deck that is dealt again and again: whatever the seed, each has its turn.
DECK = {
    **dict.fromkeys(Kind, 1),
    Kind.KILL: 4,
    Kind.RELOAD: 4,
    Kind.STOP: 2,
    Kind.HANG_UP: 2,
    Kind.MORE: 2,
    Kind.FEWER: 2,
}
LONG = (0.5, 1.6)  # seconds that a fault may last; clients wait for 10, and may meet two
LASTING = {
    **dict.fromkeys((Kind.STOP, Kind.WEDGE, Kind.WEDGE_AND_KILL, Kind.STARVE), LONG),
    **dict.fromkeys((Kind.SLOW_IMPORT, Kind.BROKEN_IMPORT, Kind.STARVE_PRIMARY), LONG),
    Kind.PAUSE_PRIMARY: (0.1, 0.8),
}


@dataclass(frozen=True, slots=True)
class Fault:
    at: float  # seconds after the round's start
    kind: Kind
    lasts: float  # seconds; 0: it is over at once
    draw: float  # in [0, 1): which worker, how many, or how often


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One instance's life, until it is told to stop, or its primary is killed."""

    number: int
    seconds: float
    policy: str
    preload: str
    end: Literal["stop", "kill"]
    recycles: bool  # workers are replaced when they have answered enough
    clients: int  # of each kind
    pause: float  # seconds between a client's requests
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        how = f"--policy {self.policy} --preload {self.preload}"
        how += " --max-requests …" if self.recycles else ""
        return f"round {self.number}: {how}, {len(self.faults)} faults, then {self.end}"


def schedule(seed: int, seconds: float, cards: Sequence[Kind] = ()) -> list[Round]:
    """Draw the rounds of a session: the same ones from the same numbers.

    *cards*: faults that are dealt, instead of the whole deck.
    """
    dice = Random(seed)
    count = max(1, round(seconds / ROUND))
    ways, kinds = dealt(dice, list(product(POLICIES, PRELOADS))), dealt(dice, cards or deck())
    rounds = []
    for number, (policy, preload) in zip(range(count), ways, strict=False):
        clients, pause = dice.choice(LOADS)
        rounds.append(
            Round(
                number=number,
                seconds=seconds / count,
                policy=policy,
                preload=preload,
                end="kill" if number % 2 else "stop",
                recycles=number % 3 == 1,
                clients=clients,
                pause=pause,
                faults=tuple(storm(dice, kinds, seconds / count - QUIET)),
            )
        )
    return rounds


def deck() -> list[Kind]:
    return [kind for kind, count in DECK.items() for _ in range(count)]


def dealt(dice: Random, cards: Sequence[T]) -> Iterator[T]:
    """Yield all in some order, then all in another, and so on."""
    while True:
        yield from dice.sample(cards, len(cards))


def storm(dice: Random, kinds: Iterator[Kind], end: float) -> Iterator[Fault]:
    """Yield faults until *end*, in their order; most come close upon each other."""
    at = CALM
    while at < end:
        kind = next(kinds)
        lasts = dice.uniform(*LASTING[kind]) if kind in LASTING else 0.0
        yield Fault(round(at, 3), kind, round(lasts, 3), dice.random())
        at += dice.choice((0.0, 0.05, 0.2, 0.5, 1.0, 1.5))
