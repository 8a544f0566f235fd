import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from prefork.core.facts import Overgrown
from prefork.core.process import Role
from prefork.primary.children import Child, Children
from prefork.primary.orphans import LOOK_AGAIN, Orphans
from prefork.wire.board import Board, Field
from prefork.wire.channel import Channel
from prefork.wire.messages import TASKS_OF_ONE

WORKER = 7
TASK = WORKER * TASKS_OF_ONE + 5
HEARS = (
    "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]); print(flush=True);"
    "signal.sigwait([signal.SIGUSR1])"
)


class Scene:
    """One process of the pool, which ends when it is signalled, and a worker that has died."""

    def __init__(self) -> None:
        self.board = Board(4)
        self.children = Children(range(1, 4))
        self.orphans = Orphans(self.children, self.board, grace=2.0)
        self.process = subprocess.Popen([sys.executable, "-c", HEARS], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.process.stdout.readline()
        self.worker = self._child(WORKER, Role.WORKER, 1, 0)
        self._child(9, Role.POOL, 2, self.process.pid)

    def _child(self, id: int, role: Role, line: int, pid: int) -> Child:
        ours, theirs = socket.socketpair()
        theirs.close()
        child = Child(id, role, 1, line, Channel(ours), pid=pid)
        self.children.add(child)
        return child

    def runs(self, task: int) -> None:
        self.board.line(2)[Field.TASK] = task

    def was_signalled(self, within: float = 20) -> bool:
        try:
            return self.process.wait(within) == 0
        except subprocess.TimeoutExpired:
            return False

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        for child in self.children:
            child.close()
        self.board.close()


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.close()


def test_a_dead_workers_task_is_interrupted_and_killed_after_the_grace(scene: Scene) -> None:
    scene.runs(TASK)
    scene.orphans.bury(scene.worker, 10.0)
    assert scene.was_signalled()
    assert scene.orphans.next_check() == 10.0 + LOOK_AGAIN
    assert list(scene.orphans.check(10.0 + LOOK_AGAIN)) == []
    assert scene.orphans.next_check() == 12.0
    [fact] = scene.orphans.check(12.0)
    assert isinstance(fact, Overgrown)
    assert (fact.id, scene.orphans.next_check()) == (9, None)


def test_one_that_has_ended_by_then_costs_nobody_its_life(scene: Scene) -> None:
    scene.runs(TASK)
    scene.orphans.bury(scene.worker, 10.0)
    scene.runs(TASK + 1)  # maybe the same number's worker again: it is another task
    assert not [f for now in (10.0 + LOOK_AGAIN, 12.0) for f in scene.orphans.check(now)]


def test_another_workers_task_is_left_alone(scene: Scene) -> None:
    scene.runs(TASK + TASKS_OF_ONE)
    scene.orphans.bury(scene.worker, 10.0)
    assert list(scene.orphans.check(10.0 + LOOK_AGAIN)) == []
    assert not scene.was_signalled(within=0.5)
    assert scene.orphans.next_check() is None


def test_a_task_that_was_on_its_way_is_seen_at_the_second_look(scene: Scene) -> None:
    scene.orphans.bury(scene.worker, 10.0)
    scene.runs(TASK)
    assert list(scene.orphans.check(10.0 + LOOK_AGAIN)) == []
    assert scene.was_signalled()
    assert len(list(scene.orphans.check(10.0 + LOOK_AGAIN + 2.0))) == 1


def test_only_a_worker_leaves_orphans(scene: Scene) -> None:
    scene.worker.role = Role.TEMPLATE
    scene.runs(TASK)
    scene.orphans.bury(scene.worker, 10.0)
    assert scene.orphans.next_check() is None
