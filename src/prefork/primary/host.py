"""The operating system, as the primary uses it: one thread, one selector."""

import selectors
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from prefork import log
from prefork.core.facts import Exited, Fact
from prefork.core.orders import AskToStop, Spawn, SpawnPool, StartHub, StartTemplate
from prefork.core.process import Role
from prefork.core.watch import Watch
from prefork.primary import reaper
from prefork.primary.acceptor import Acceptor
from prefork.primary.aides import Aides
from prefork.primary.births import Births
from prefork.primary.children import Child, Children
from prefork.primary.conversation import Conversation
from prefork.primary.dumps import Dumps
from prefork.primary.inspector import Inspector, terms_of
from prefork.primary.introductions import Introductions
from prefork.primary.kernel import Kernel
from prefork.primary.loop import Clock
from prefork.primary.mailboxes import Mailboxes
from prefork.primary.nursery import Nursery
from prefork.primary.oom import OutOfMemory
from prefork.primary.orphans import Orphans
from prefork.primary.pools import Pools
from prefork.primary.posts import Posts
from prefork.primary.reception import Reception
from prefork.primary.signals import Signals
from prefork.primary.tally import Tally
from prefork.primary.watchdog import Watchdog
from prefork.wire.board import Field, Line
from prefork.wire.estate import Estate
from prefork.wire.messages import Admit, Lead, Stop
from prefork.wire.timings import Timings

LONGEST_SLEEP = 3600.0  # seconds; epoll refuses a timeout beyond 2**31 ms
Reaction: TypeAlias = Callable[[float], Iterable[Fact]]  # to a ready descriptor; given now


class PosixHost:
    """Owns the children; the acceptor and the control socket share its selector."""

    def __init__(
        self,
        estate: Estate,
        aides: Aides,
        signals: Signals,
        selector: selectors.BaseSelector,
        acceptor: Acceptor,
    ) -> None:
        self.estate = estate
        self.aides = aides
        self._signals = signals
        self.selector = selector
        self._acceptor = acceptor
        self.children = Children(range(1, len(estate.board)))  # line 0 is our own
        self.tally = Tally(estate.board)
        kernel = Kernel()
        self.dumps = Dumps(selector, kernel)
        watch = Watch(estate.settings.block_warn, estate.settings.worker_timeout)
        self.watchdog = Watchdog(watch, self.children, estate.board, self.dumps)
        inspector = Inspector(terms_of(estate.settings), self.children, estate.board, kernel)
        self._oom = OutOfMemory()
        self._talk = talk = Conversation(self.children, selector, self._bury)
        posts = Posts(Mailboxes(self.children, selector, talk.say))
        introductions = Introductions(talk.say, estate.member)
        pools = Pools(talk.say, self.children, estate.board)
        self.reception = Reception(talk, acceptor, posts, introductions, pools)
        nursery = Nursery(estate, self.children)
        self.births = Births(nursery, talk, acceptor, self.reception, self._bury)
        self.clocks: list[Clock] = [acceptor, aides, self.watchdog, inspector]
        self._orphans = Orphans(self.children, estate.board, estate.settings.pool_grace)
        self.clocks += [posts, introductions, pools, self._orphans]
        selector.register(signals, selectors.EVENT_READ, self._hear_signals)
        aides.attend(selector)

    @property
    def interface(self) -> str:
        """Of the application, as it was found first."""
        return self._talk.interface

    def lines(self) -> dict[int, Line]:
        """The children's lines of the board, by their ids."""
        return {child.id: self.estate.board.line(child.line) for child in self.children}

    def timings(self) -> dict[int, Timings]:
        """Those of the pool's processes, by their ids."""
        return {each.id: each.timings for each in self.children if each.timings is not None}

    # -- waiting -------------------------------------------------------------

    def now(self) -> float:
        return time.monotonic()

    def wait(self, deadline: float | None) -> Iterator[Fact]:
        """Sleep until something happens or *deadline*, and tell what did."""
        checks = [clock.next_check() for clock in self.clocks]
        times = [t for t in (deadline, *checks) if t is not None]
        timeout = max(0.0, min(times) - self.now()) if times else LONGEST_SLEEP
        ready = self.selector.select(min(timeout, LONGEST_SLEEP))
        now = self.now()
        for key, _ in sorted(ready, key=lambda each: each[0].fileobj is self._signals):
            # Signals last: a death makes us forget a channel whose last words are in this batch.
            reaction: Reaction = key.data
            yield from reaction(now)
        for clock in self.clocks:
            yield from clock.check(now)

    # -- orders --------------------------------------------------------------

    def start(self, order: StartTemplate | StartHub) -> Iterable[Fact]:
        return self.births.start(order, self.now())

    def spawn(self, order: Spawn | SpawnPool) -> Iterable[Fact]:
        return self.births.spawn(order, self.now())

    def give_up(self, id: int) -> None:
        self.births.give_up(id)

    def admit(self, id: int) -> Iterable[Fact]:
        """Put a worker into rotation, and tell it, for it may accept connections itself."""
        child = self.children.get(id)
        if child is None:
            return []
        self._acceptor.join(child, self.now())
        return self._talk.say(child, Admit())

    def open_hub(self, id: int) -> Iterable[Fact]:
        hub = self.children.get(id)
        return [] if hub is None else self.reception.introductions.open(hub, self.now())

    def open_pool(self, id: int) -> None:
        if child := self.children.get(id):
            self.reception.pools.open(child, self.now())

    def appoint(self, id: int) -> Iterable[Fact]:
        return self._talk.say(child, Lead()) if (child := self.children.get(id)) else []

    def suspend(self, id: int) -> None:
        if child := self.children.get(id):
            self._acceptor.suspend(child, self.now())

    def resume(self, id: int) -> None:
        if child := self.children.get(id):
            self._acceptor.join(child, self.now())

    def release_listeners(self) -> None:
        self._acceptor.release(self.now())

    def close_listeners(self) -> None:
        self._acceptor.close(self.now())

    def ask_to_stop(self, order: AskToStop) -> Iterable[Fact]:
        """Out of rotation first, then the message; the signal ends an import, which can't read."""
        child = self.children.get(order.id)
        if child is None:
            return []
        self._acceptor.leave(child, self.now(), hands_back=order.hands_back)
        facts = self._talk.say(child, Stop(order.grace, order.hands_back))
        if child.pid is not None:
            reaper.kill(child.pid, signal.SIGTERM)
        return facts

    def abort(self, id: int, reason: str) -> None:
        """By a signal that the application may catch."""
        if child := self.children.get(id):
            self._acceptor.leave(child, self.now())
            self.tally.timeouts += 1
            child.reason = reason
            if child.pid is not None:
                reaper.kill(child.pid, signal.SIGABRT)

    def kill(self, id: int, reason: str) -> Iterable[Fact]:
        """Kill the process; its group follows when it is reaped.

        What has no pid, and nobody left to tell it, is given up: should it live after all, the end
        of its channel ends it.
        """
        child = self.children.get(id)
        if child is None:
            return []
        self._acceptor.leave(child, self.now())
        child.reason = child.reason or reason
        if child.pid is not None:
            reaper.kill(child.pid, signal.SIGKILL)
        elif child.template is None or self.children.get(child.template) is None:
            return list(self._bury(child, -signal.SIGKILL, self.now()))
        return []

    # -- signals and deaths --------------------------------------------------

    def _hear_signals(self, now: float) -> Iterator[Fact]:
        caught = self._signals.take()
        if signal.SIGCHLD in caught:
            yield from self._reap(now)
        yield from self._signals.requests(caught)

    def _reap(self, now: float) -> Iterator[Fact]:
        while (pid := reaper.find_dead()) is not None:
            child = self.children.by_pid(pid)
            if child is None:
                yield from self._talk.hear_templates(now)
                child = self.children.by_pid(pid)
            has_group = child is not None or self.aides.takes_group_along(pid)
            status = reaper.reap(pid, and_group=has_group)
            if child is None and not self.aides.note_exit(pid, status, now):
                log.debug("stranger_reaped", pid=pid, status=status)  # an orphan of a worker's
            elif child is not None:
                yield from self._talk.read(child, now)  # its last words
                yield from self._bury(child, status, now)

    def _bury(self, child: Child, status: int, now: float, reason: str = "") -> Iterator[Fact]:
        self.watchdog.forget(child)
        was_idle = self._was_idle(child)
        uncounted = self._acceptor.bury(child, now)
        if status == -signal.SIGKILL and not child.reason and self._oom.has_struck():
            child.reason = "the kernel killed it, as memory ran out"
        facts = self.reception.bury(child, status)
        self._orphans.bury(child, now)
        self.tally.note_exit(child, status, uncounted)
        self._talk.end(child)
        child.close()
        self.tally.fold(child)
        self.children.remove(child)
        yield Exited(child.id, status, reason, was_idle)
        yield from facts

    def _was_idle(self, child: Child) -> bool:
        """Whether it lived in the pool, and had no task. Its line must still be as it was."""
        if child.role is not Role.POOL or child.pid is None:
            return False
        line = self.estate.board.line(child.line)
        return not line[Field.TASKS] and not line[Field.TASK]
