"""The operating system, as the primary uses it: one thread, one selector."""

import selectors
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import TypeAlias

from prefork import log
from prefork.core.messages import (
    Exited,
    Fact,
    Forked,
    Misbehaved,
    Spawn,
    StartTemplate,
)
from prefork.errors import RemoteError
from prefork.primary import mail, reaper
from prefork.primary.acceptor import Acceptor
from prefork.primary.aides import Aides
from prefork.primary.children import Child, Children
from prefork.primary.nursery import Nursery
from prefork.primary.signals import REQUESTS, Signals
from prefork.primary.tally import Tally
from prefork.wire.board import Line
from prefork.wire.estate import Estate
from prefork.wire.messages import Admit, FromPrimary, Nudge, Ready, Stop

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
        self._nursery = Nursery(estate, self.children)
        self.tally = Tally(estate.board)
        self.interface = ""  # of the application, as it was found first
        selector.register(signals, selectors.EVENT_READ, self._hear_signals)

    def lines(self) -> dict[int, Line]:
        """The children's lines of the board, by their ids."""
        return {child.id: self.estate.board.line(child.line) for child in self.children}

    # -- waiting -------------------------------------------------------------

    def now(self) -> float:
        return time.monotonic()

    def wait(self, deadline: float | None) -> Iterator[Fact]:
        """Sleep until something happens or *deadline*, and tell what did."""
        times = [t for t in (deadline, self._acceptor.next_check()) if t is not None]
        timeout = max(0.0, min(times) - self.now()) if times else LONGEST_SLEEP
        ready = self.selector.select(min(timeout, LONGEST_SLEEP))
        now = self.now()
        for key, _ in sorted(ready, key=lambda each: each[0].fileobj is self._signals):
            # Signals last: a death makes us forget a channel whose last words are in this batch.
            reaction: Reaction = key.data
            yield from reaction(now)
        self._acceptor.check(now)

    # -- orders --------------------------------------------------------------

    def start_template(self, order: StartTemplate) -> Iterable[Fact]:
        """Fork a template. Where the system refuses, it is as if it had died at once."""
        try:
            child = self._nursery.template(order)
        except OSError as error:
            return self._miscarry(order.id, error)
        self._register(child)
        return self._introduce(child)

    def spawn(self, order: Spawn) -> Iterable[Fact]:
        """Ask the template for a worker; its pid comes later. Without a template, fork it now."""
        try:
            listeners = self._acceptor.listeners_of(order.slot, self.now())
            if order.template is None:
                child = self._nursery.worker(order, listeners)
                self._register(child)
                return self._introduce(child)
            child, message, descriptors = self._nursery.request(order, listeners)
        except OSError as error:
            return self._miscarry(order.id, error)
        self._register(child)
        template = self.children.get(order.template)
        assert template is not None, "the core spawns from templates that live"
        return self._say(template, message, descriptors)

    def _introduce(self, child: Child) -> Iterable[Fact]:
        assert child.pid is not None, "it was forked by us"
        return [Forked(child.id, child.pid)]

    def _miscarry(self, id: int, error: OSError) -> Iterable[Fact]:
        reason = error.strerror or str(error)
        log.error("spawn_failed", reason=reason)
        if child := self.children.get(id):
            return list(self._bury(child, 1, self.now(), reason=reason))
        return [Exited(id, 1, reason)]

    def admit(self, id: int) -> Iterable[Fact]:
        """Put a worker into rotation, and tell it, for it may accept connections itself."""
        child = self.children.get(id)
        if child is None:
            return []
        self._acceptor.join(child, self.now())
        return self._say(child, Admit())

    def close_listeners(self) -> None:
        self._acceptor.close(self.now())

    def ask_to_stop(self, id: int, grace: float) -> Iterable[Fact]:
        """Out of rotation first, then the message; the signal ends an import, which can't read."""
        child = self.children.get(id)
        if child is None:
            return []
        self._acceptor.leave(child, self.now())
        facts = self._say(child, Stop(grace))
        if child.pid is not None:
            reaper.kill(child.pid, signal.SIGTERM)
        return facts

    def kill(self, id: int) -> Iterable[Fact]:
        """Kill the process; its group follows when it is reaped.

        What has no pid, and nobody left to tell it, is given up: should it live after all, the end
        of its channel ends it.
        """
        child = self.children.get(id)
        if child is None:
            return []
        self._acceptor.leave(child, self.now())
        if child.pid is not None:
            reaper.kill(child.pid, signal.SIGKILL)
        elif child.template is None or self.children.get(child.template) is None:
            return list(self._bury(child, -signal.SIGKILL, self.now()))
        return []

    # -- children ------------------------------------------------------------

    def _register(self, child: Child) -> None:
        self.selector.register(
            child.channel, selectors.EVENT_READ, partial(self._hear_child, child)
        )

    def _say(
        self, child: Child, message: FromPrimary, descriptors: list[int] | None = None
    ) -> list[Fact]:
        try:
            child.channel.send(message, descriptors)
        except RemoteError as error:
            return self._blame(child, error)
        self._listen_to(child)
        return []

    def _listen_to(self, child: Child) -> None:
        """Wake for what it says; and for room to write, while something is left to be said."""
        events = selectors.EVENT_READ
        if not child.channel.flush():
            events |= selectors.EVENT_WRITE
        with suppress(KeyError):  # at its end: nobody listens any more
            self.selector.modify(child.channel, events, partial(self._hear_child, child))

    def _hear_child(self, child: Child, now: float) -> Iterator[Fact]:
        """Read what a child says. The end of a channel without a pid: it never lived."""
        if self.children.get(child.id) is not child:
            return  # buried earlier in this batch
        self._listen_to(child)
        yield from self._read(child, now)
        if child.channel.is_ended:
            with suppress(KeyError):
                self.selector.unregister(child.channel)
            if child.pid is None:
                yield from self._hear_templates(now)
            if child.pid is None:
                yield from self._bury(child, 0, now, reason="its template did not")

    def _read(self, child: Child, now: float) -> Iterator[Fact]:
        try:
            for message in child.channel.receive():
                if isinstance(message, Ready):
                    self.interface = self.interface or message.interface
                yield from mail.facts(child, message, self.children)
                if isinstance(message, Nudge):
                    self._acceptor.resume(now)
        except RemoteError as error:
            yield from self._blame(child, error)

    def _blame(self, child: Child, error: RemoteError) -> list[Fact]:
        log.error("child_misbehaved", process=str(child), pid=child.pid, reason=str(error))
        return [Misbehaved(child.id)]

    def _hear_templates(self, now: float) -> Iterator[Fact]:
        """A pid that is told was told before its process became ours."""
        for template in self.children.templates():
            yield from self._read(template, now)

    # -- signals and deaths --------------------------------------------------

    def _hear_signals(self, now: float) -> Iterator[Fact]:
        caught = self._signals.take()
        if signal.SIGCHLD in caught:
            yield from self._reap(now)
        for number, (request, _) in REQUESTS.items():
            if number in caught:
                log.info("signal", signal=number.name)
                if request is not None:
                    yield request

    def _reap(self, now: float) -> Iterator[Fact]:
        while (pid := reaper.find_dead()) is not None:
            child = self.children.by_pid(pid)
            if child is None:
                yield from self._hear_templates(now)
                child = self.children.by_pid(pid)
            has_group = child is not None or self.aides.takes_group_along(pid)
            status = reaper.reap(pid, and_group=has_group)
            if child is None and not self.aides.note_exit(pid, status, now):
                log.debug("stranger_reaped", pid=pid, status=status)  # an orphan of a worker's
            elif child is not None:
                yield from self._read(child, now)  # its last words
                yield from self._bury(child, status, now)

    def _bury(self, child: Child, status: int, now: float, *, reason: str = "") -> Iterator[Fact]:
        uncounted = self._acceptor.bury(child, now)
        self.tally.note_exit(child, status, uncounted)
        with suppress(KeyError):  # muted already, at its end
            self.selector.unregister(child.channel)
        child.close()
        self.tally.fold(child)
        self.children.remove(child)
        yield Exited(child.id, status, reason)
