"""A watchdog, workers that are only a line of the board and the ends of pipes, and a /proc."""

import os
import selectors
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefork.core.facts import Fact
from prefork.core.process import Role
from prefork.core.watch import Watch
from prefork.primary.children import Child, Children
from prefork.primary.dumps import Dumps
from prefork.primary.kernel import Kernel
from prefork.primary.watchdog import Watchdog
from prefork.wire import channel, inquiry
from prefork.wire.board import Board, Field
from prefork.wire.channel import Channel
from prefork.wire.inquiry import Respondent
from prefork.wire.stacks import Answer, Dump, encode

NOBODY = 2**22  # above every pid: signals to it reach nobody


class Kennel:
    def __init__(self, proc: Path) -> None:
        self.proc = proc
        self.board = Board(16)
        self.selector = selectors.DefaultSelector()
        self.children = Children(range(1, 16))
        self.dumps = Dumps(self.selector, Kernel(proc))
        watch = Watch(2.0, 30.0)
        self.watchdog = Watchdog(watch, self.children, self.board, self.dumps)
        self.ends: dict[int, Respondent] = {}  # by child's id
        self.now = 100.0

    def hire(self, slot: int = 0, pid: int | None = None) -> Child:
        id = len(self.ends) + 1
        ours, theirs = channel.pair()
        theirs.close()
        line = self.children.take_line()
        child = Child(id, Role.WORKER, 1, line, Channel(ours), slot, pid=pid or NOBODY + id)
        child.inquirer, self.ends[id] = inquiry.pair()
        self.children.add(child)
        self.describe(child)
        self.beat(child)
        return child

    def describe(self, child: Child, state: str = "S", *, catches: bool = True) -> None:
        """Have the kernel say so of it."""
        place = self.proc / str(child.pid)
        place.mkdir(exist_ok=True)
        (place / "stat").write_text(f"1 (x) {state} " + "1 " * 20)
        mask = (1 << (inquiry.SIGNAL or 1) - 1) if catches else 0
        (place / "status").write_text(f"SigCgt:\t{mask:016x}\n")

    def beat(self, child: Child, *, thread_only: bool = False) -> None:
        line, stamp = self.board.line(child.line), int(self.now * 1e9)
        line[Field.BEAT_THREAD] = stamp
        if not thread_only:
            line[Field.BEAT] = stamp

    def answer(self, child: Child, dump: Dump) -> None:
        """Answer the latest inquiry of the worker, as its thread would."""
        number = self.ends[child.id].take()
        assert number is not None, "it was not asked"
        os.write(self.ends[child.id].answering, encode(Answer(number, dump)))

    def turn(self, now: float) -> list[Fact]:
        """One turn of the primary's loop."""
        self.now = now
        for key, _ in self.selector.select(0):
            key.data(now)
        return list(self.watchdog.check(now))

    def until(self, when: float) -> list[Fact]:
        """Turn whenever something is due."""
        facts = []
        while (due := self.watchdog.next_check()) is not None and due <= when:
            facts += self.turn(due)
        return facts

    def close(self) -> None:
        for child in self.children:
            self.dumps.hurry(child)
            child.close()
            self.ends[child.id].close()
        self.selector.close()


@contextmanager
def kennel_of(proc: Path) -> Iterator[Kennel]:
    it = Kennel(proc)
    try:
        yield it
    finally:
        it.close()
