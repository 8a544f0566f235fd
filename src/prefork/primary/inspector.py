"""Looks at how worn workers are, and tells the fleet of those whose time is over."""

from collections.abc import Iterator
from dataclasses import dataclass

from prefork import log
from prefork.core.facts import Fact, Overgrown, Worn
from prefork.core.process import Role
from prefork.core.wear import MEBI, Terms, Wear
from prefork.primary.children import Child, Children
from prefork.primary.kernel import Kernel
from prefork.settings.schema import Settings
from prefork.settings.size import bytes_of
from prefork.wire.board import Board, Field

HARD_OVER_SOFT = 2  # max_memory_hard by max_memory, where it isn't given
LOOK_EVERY = 0.5  # seconds; workers publish their requests twice a second, too


@dataclass(slots=True)
class Life:
    """What is known of one worker."""

    since: float  # when it was seen to beat
    is_worn: bool = False
    is_overgrown: bool = False


class Inspector:
    """It costs nothing where there are no terms, else 8 µs for a worker and look."""

    def __init__(self, terms: Terms, children: Children, board: Board, kernel: Kernel) -> None:
        self._terms = terms
        self._children = children
        self._board = board
        self._kernel = kernel
        self._lives: dict[int, Life] = {}  # by id
        self._due = 0.0 if terms.has_any else None

    def next_check(self) -> float | None:
        """When `check` is to look again; None: never."""
        return self._due

    def check(self, now: float) -> Iterator[Fact]:
        """Look at all workers if it is time, and tell each thing once."""
        if self._due is None or now < self._due:
            return
        self._due = now + LOOK_EVERY
        workers = [child for child in self._children if child.role is Role.WORKER]
        known, self._lives = self._lives, {}
        for child in workers:
            if child.pid is not None and self._board.line(child.line)[Field.BEAT]:
                life = self._lives[child.id] = known.get(child.id) or Life(now)
                yield from self._look(child, child.pid, life, now)

    def _look(self, child: Child, pid: int, life: Life, now: float) -> Iterator[Fact]:
        terms = self._terms
        memory = self._kernel.resident(pid) if terms.memory or terms.memory_hard else 0
        wear = Wear(self._board.line(child.line)[Field.REQUESTS], now - life.since, memory)
        if not life.is_overgrown and (reason := terms.overgrown(wear)):
            life.is_overgrown = True
            log.error("memory_exceeded", **child.who, mebibytes=memory // MEBI)
            yield Overgrown(child.id, reason)
        elif not life.is_worn and (reason := terms.exceeded(child.id, wear)):
            life.is_worn = True
            if terms.memory and memory >= terms.memory:
                log.warning("memory_high", **child.who, mebibytes=memory // MEBI)
            yield Worn(child.id, reason)


def terms_of(settings: Settings) -> Terms:
    """The terms that the settings set."""
    soft, hard = settings.max_memory, settings.max_memory_hard
    memory = 0 if soft is None else bytes_of(soft)
    return Terms(
        settings.max_requests,
        settings.max_requests_jitter,
        settings.max_lifetime,
        memory,
        HARD_OVER_SOFT * memory if hard is None else bytes_of(hard),
    )
