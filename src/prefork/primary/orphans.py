"""Tasks whose worker has died: nobody is there to cancel them, so the primary does."""

from collections.abc import Iterator
from dataclasses import dataclass

from prefork.core.facts import Fact, Overgrown
from prefork.core.process import Role
from prefork.primary import reaper
from prefork.primary.children import Child, Children
from prefork.wire import signalling
from prefork.wire.board import Board, Field
from prefork.wire.messages import TASKS_OF_ONE, first_task

LOOK_AGAIN = 0.1  # seconds: a task may have been on its way when its worker died


@dataclass(frozen=True, slots=True)
class Look:
    """*task*: that was interrupted, and is to have ended; None: whatever is of the worker."""

    at: float
    worker: int
    task: int | None = None


class Orphans:
    """An orphan is interrupted in its own code; what never comes back to that is killed.

    Its process ends with it, and takes no other before: so nobody else's task is killed.
    """

    def __init__(self, children: Children, board: Board, grace: float) -> None:
        self._children = children
        self._board = board
        self._grace = grace
        self._looks: list[Look] = []

    def bury(self, worker: Child, now: float) -> None:
        """Interrupt what a dead worker's tasks are at, and look once more."""
        if worker.role is Role.WORKER and any(True for _ in self._processes()):
            self._interrupt(worker.id, now)
            self._looks.append(Look(now + LOOK_AGAIN, worker.id))

    def next_check(self) -> float | None:
        return min((look.at for look in self._looks), default=None)

    def check(self, now: float) -> Iterator[Fact]:
        """Have those processes killed whose orphan did not end."""
        due = [look for look in self._looks if look.at <= now]
        self._looks = [look for look in self._looks if look.at > now]
        for look in due:
            if look.task is None:
                self._interrupt(look.worker, now)
                continue
            for process in self._processes():
                if self._task(process) == look.task:
                    reason = "its task's worker has died, and it did not end"
                    yield Overgrown(process.id, f"{reason} within {self._grace:g} s (pool_grace)")

    def _interrupt(self, worker: int, now: float) -> None:
        """Have processes look at their lines: the handler sees that the worker is gone."""
        waited_for = {look.task for look in self._looks}
        for process in self._processes():
            task = self._task(process)
            is_its = 0 <= task - first_task(worker) < TASKS_OF_ONE - 1
            if is_its and task not in waited_for and process.pid:
                reaper.kill(process.pid, signalling.CANCEL)
                self._looks.append(Look(now + self._grace, worker, task))

    def _processes(self) -> Iterator[Child]:
        return (child for child in self._children if child.role is Role.POOL)

    def _task(self, process: Child) -> int:
        return self._board.line(process.line)[Field.TASK]
