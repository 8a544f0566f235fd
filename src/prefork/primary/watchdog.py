"""Looks after workers that serve: who is silent, why, and what is told of it."""

from collections.abc import Iterator

from msgspec.structs import replace

from prefork import log
from prefork.core.facts import Blocked, Fact, TimedOut, Verdict
from prefork.core.process import Role
from prefork.core.watch import Signs, Starved, Watch
from prefork.primary.children import Child, Children
from prefork.primary.dumps import Dumps, Then
from prefork.wire.board import Board, Field
from prefork.wire.stacks import Dump, lines

LOGGED_TASKS = 10  # of a dump; `prefork dump` shows all


class Watchdog:
    """Reads the board, and /proc where that is not enough; `Watch` decides."""

    def __init__(self, watch: Watch, children: Children, board: Board, dumps: Dumps) -> None:
        self._watch = watch
        self._children = children
        self._board = board
        self._dumps = dumps
        self._kernel = dumps.kernel
        self.blocks = 0  # how often one was, ever

    def next_check(self) -> float | None:
        """When `check` has something to look at; None: not before there is a worker."""
        times = [t for t in (self._watch.due, self._dumps.next_check()) if t is not None]
        return min(times, default=None)

    def check(self, now: float) -> Iterator[Fact]:
        """Look at all workers if it is time, and tell what has changed."""
        self._dumps.check(now)
        due = self._watch.due
        if due is None and any(child.role is Role.WORKER for child in self._children):
            self._watch.await_first(now)
        if due is None or now < due:
            return
        self._watch.begin(now)
        workers = [child for child in self._children if child.role is Role.WORKER]
        beats = {child.id: self._board.line(child.line)[Field.BEAT] for child in workers}
        for child in workers:
            if beat := beats[child.id]:
                yield from self._look(child, beat / 1e9, now)
        self._watch.end({id for id, beat in beats.items() if beat}, now)
        if workers:
            self._watch.await_first(now)

    def verdict(self, id: int) -> Verdict | None:
        """Why it is silent; None: it is not."""
        return self._watch.verdict(id)

    def verdicts(self) -> dict[int, Verdict]:
        """Those on workers that are silent, by id."""
        found = {child.id: self.verdict(child.id) for child in self._children}
        return {id: verdict for id, verdict in found.items() if verdict is not None}

    def dump(self, child: Child, now: float, then: Then) -> None:
        """Have it dumped, and do *then* with that."""
        is_held = self.verdict(child.id) is Verdict.INTERPRETER
        self._dumps.take(child, now, then, is_held=is_held)

    def forget(self, child: Child) -> None:
        """It is dead: tell what is known."""
        self._dumps.hurry(child)

    def _look(self, child: Child, beat: float, now: float) -> Iterator[Fact]:
        recovered = self._watch.hear(child.id, beat)
        if recovered is not None:
            self._dumps.hurry(child)
            log.info("worker_recovered", **child.who, seconds=recovered.seconds)
            yield recovered
        elif child.pid is not None and self._watch.is_suspect(child.id, now):
            yield from self._examine(child, child.pid, now)

    def _examine(self, child: Child, pid: int, now: float) -> Iterator[Fact]:
        thread = self._board.line(child.line)[Field.BEAT_THREAD] / 1e9
        vitals = self._kernel.vitals(pid)
        signs = Signs(thread, vitals.delayed, vitals.is_stopped)
        found = self._watch.judge(child.id, signs, now)
        match found:
            case Starved(_, seconds):
                log.warning(
                    "worker_starved", **child.who, seconds=seconds, effect="it is not killed"
                )
            case Blocked():
                self.blocks += 1
                self._take_dump(child, found, now)
                yield found
            case TimedOut():
                yield found
            case None:
                pass

    def _take_dump(self, child: Child, blocked: Blocked, now: float) -> None:
        """Log it with a dump, which is there in a moment."""
        published = self._board.line(child.line)[Field.IN_FLIGHT]  # as of the last beat

        def tell(dump: Dump) -> None:
            left = len(dump.tasks[LOGGED_TASKS:])
            few = replace(
                dump,
                requests=[],
                tasks=dump.tasks[:LOGGED_TASKS],
                more_tasks=dump.more_tasks + left,
            )
            log.error(
                "worker_blocked",
                **child.who,
                verdict=blocked.verdict.value,
                seconds=blocked.seconds,
                in_flight=len(dump.requests) or published,
                **({"requests": dump.requests} if dump.requests else {}),
                detail="\n".join(lines(few)),
            )

        self.dump(child, now, tell)
