"""What a fleet was told, when, and what it ordered: a line each, which can be replayed."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from prefork.core import facts
from prefork.core.facts import Exited, Fact, Forked
from prefork.core.fleet import Fleet
from prefork.core.orders import Order
from prefork.core.plan import Plan

START, TICK = "start", "tick"


@dataclass(frozen=True, slots=True)
class Told:
    """*what*: a fact, or that the fleet was started, or that time had passed."""

    now: float  # monotonic seconds
    what: Fact | str
    orders: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.now:.3f} {self.what} -> {', '.join(self.orders) or 'nothing'}"


@dataclass(slots=True)
class Timeline:
    plan: Plan
    told: list[Told] = field(default_factory=list)

    def note(self, now: float, what: Fact | str, orders: list[Order]) -> None:
        self.told.append(Told(now, what, tuple(map(repr, orders))))

    def facts(self) -> Iterator[tuple[float, Fact]]:
        for each in self.told:
            if not isinstance(each.what, str):
                yield each.now, each.what

    def orders(self, name: str) -> Iterator[tuple[float, dict[str, Any]]]:
        """Yield when each order of a class was given, and its fields."""
        for each in self.told:
            for order in each.orders:
                if order.startswith(f"{name}("):
                    yield each.now, _fields(order)

    def pids(self) -> dict[int, int]:
        """Return the pid of each process, by its id."""
        return {fact.id: fact.pid for _, fact in self.facts() if isinstance(fact, Forked)}

    def slots(self) -> dict[int, int]:
        """Return the slot that each worker was made for, by its id."""
        return {order["id"]: order["slot"] for _, order in self.orders("Spawn")}

    def exits(self) -> dict[int, tuple[float, int]]:
        """Return when each process was seen to have ended, and its status, by its id."""
        return {
            fact.id: (now, fact.status) for now, fact in self.facts() if isinstance(fact, Exited)
        }

    def tail(self, count: int) -> str:
        """Return the last *count* events after which there was something to do, or that matter."""
        news = [each for each in self.told if each.orders or each.what != TICK]
        return "\n".join(map(str, news[-count:]))


def _fields(order: str) -> dict[str, Any]:
    """Read numbers off an order's repr, which is all that is asked of it."""
    pairs = (part.split("=", 1) for part in order.rstrip(")").partition("(")[2].split(", "))
    return {pair[0]: _number(pair[1]) for pair in pairs if len(pair) > 1}


def _number(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def header(plan: Plan) -> bytes:
    return json.dumps(asdict(plan)).encode() + b"\n"


def line(now: float, what: Fact | str, orders: list[Order]) -> bytes:
    name, fields = (what, {}) if isinstance(what, str) else (type(what).__name__, _plain(what))
    return json.dumps([now, name, fields, list(map(repr, orders))]).encode() + b"\n"


def _plain(fact: Fact) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(fact)
    return plain


def read(path: Path) -> Timeline:
    """Read what was recorded; a primary that was killed may have left half a line."""
    lines = path.read_bytes().split(b"\n")[:-1]
    timeline = Timeline(Plan(**json.loads(lines[0])))
    for each in lines[1:]:
        now, name, fields, orders = json.loads(each)
        kind = None if name in (START, TICK) else getattr(facts, name)
        what = msgspec.convert(fields, kind) if kind else name
        timeline.told.append(Told(now, what, tuple(orders)))
    return timeline


def replayed(timeline: Timeline) -> Iterator[tuple[Told, tuple[str, ...]]]:
    """Tell a new fleet the same, and yield what it orders beside what was recorded."""
    fleet = Fleet(timeline.plan)
    for each in timeline.told:
        if each.what == START:
            orders = fleet.start(each.now)
        elif isinstance(each.what, str):
            orders = fleet.tick(each.now)
        else:
            orders = fleet.handle(each.what, each.now)
        yield each, tuple(map(repr, orders))
