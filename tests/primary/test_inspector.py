"""What the primary reads of workers' wear, over a directory that stands for /proc."""

import socket
from pathlib import Path

import pytest

from prefork.core.facts import Fact, Overgrown, Worn
from prefork.core.process import Role
from prefork.core.wear import MEBI, Terms
from prefork.primary.children import Child, Children
from prefork.primary.inspector import LOOK_EVERY, Inspector
from prefork.primary.kernel import Kernel
from prefork.wire.board import Board, Field
from prefork.wire.channel import Channel

PAGES = MEBI // 4096
WORKER, PID = 2, 102


class Ward:
    """One worker that has beaten, and an inspector."""

    def __init__(self, proc: Path, terms: Terms) -> None:
        self._proc = proc
        self._other, ours = socket.socketpair()
        self.children = Children(range(1, 4))
        self.child = Child(WORKER, Role.WORKER, 1, 1, Channel(ours), slot=0, pid=PID)
        self.children.add(self.child)
        self.board = Board(4)
        self.line = self.board.line(1)
        self.line[Field.BEAT] = 1
        self.inspector = Inspector(terms, self.children, self.board, Kernel(proc))

    def takes(self, mebibytes: int) -> None:
        (self._proc / str(PID)).mkdir(exist_ok=True)
        (self._proc / str(PID) / "statm").write_text(f"99999 {mebibytes * PAGES} 5 1 0 9 0\n")

    def look(self, now: float) -> list[Fact]:
        return list(self.inspector.check(now))

    def close(self) -> None:
        self.child.close()
        self._other.close()


def test_without_terms_nobody_is_looked_at(tmp_path: Path) -> None:
    ward = Ward(tmp_path, Terms())
    ward.line[Field.REQUESTS] = 10**6
    assert ward.inspector.next_check() is None
    assert ward.look(5.0) == []
    ward.close()


def test_who_has_answered_enough_is_told_of_once(tmp_path: Path) -> None:
    ward = Ward(tmp_path, Terms(requests=1000))
    ward.line[Field.REQUESTS] = 999
    assert ward.look(5.0) == []
    ward.line[Field.REQUESTS] = 1001
    assert ward.look(5.1) == []  # it isn't time yet
    assert ward.inspector.next_check() == 5.0 + LOOK_EVERY
    assert ward.look(5.5) == [Worn(WORKER, "1001 requests (max_requests)")]
    assert ward.look(6.0) == []
    ward.close()


def test_a_life_begins_when_it_is_seen_to_beat(tmp_path: Path) -> None:
    ward = Ward(tmp_path, Terms(lifetime=10.0))
    ward.line[Field.BEAT] = 0
    assert ward.look(5.0) == []
    ward.line[Field.BEAT] = 1
    assert ward.look(20.0) == []
    assert ward.look(29.9) == []
    assert ward.look(31.0) == [Worn(WORKER, "11 s of life (max_lifetime)")]
    ward.close()


def test_memory_is_warned_of_and_then_too_much(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ward = Ward(tmp_path, Terms(memory=200 * MEBI, memory_hard=400 * MEBI))
    ward.takes(199)
    assert ward.look(5.0) == []
    ward.takes(210)
    assert ward.look(6.0) == [Worn(WORKER, "210 MiB of memory (max_memory)")]
    assert "warning memory_high slot=0 pid=102 generation=1 mebibytes=210" in capfd.readouterr().err
    ward.takes(401)
    reason = "took 401 MiB of memory (max_memory_hard)"
    assert ward.look(7.0) == [Overgrown(WORKER, reason)]
    assert "error memory_exceeded slot=0 pid=102" in capfd.readouterr().err
    assert ward.look(8.0) == []
    ward.close()


def test_a_successor_is_another_life(tmp_path: Path) -> None:
    ward = Ward(tmp_path, Terms(requests=10))
    ward.line[Field.REQUESTS] = 10
    assert ward.look(5.0) != []
    ward.children.remove(ward.child)
    assert ward.look(6.0) == []
    ward.children.add(ward.child)
    assert ward.look(7.0) != []
    ward.close()
