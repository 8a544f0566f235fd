"""A control server, the fleet that it speaks for, and the loop between them, turned by hand."""

import json
import selectors
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefork.control.directory import claim
from prefork.control.server import ControlServer
from prefork.control.verbs import Verbs
from prefork.core.facts import Exited, Fact, Forked, Proven, Ready
from prefork.core.fleet import Fleet
from prefork.core.orders import AskToStop, Order, Spawn, StartTemplate, TellReload
from prefork.core.process import Phase, Role
from prefork.errors import ControlError
from prefork.memory.store import Store

ENDLESS = 1000  # turns
Answer = dict[str, Any]


class Caller:
    """A program at the other end of the control socket."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.socket.setblocking(False)
        self._heard = b""
        self.is_cut = False  # the server hung up

    def say(self, verb: str, **fields: Any) -> None:
        self.whisper(json.dumps({"prefork": 1, "verb": verb, **fields}).encode() + b"\n")

    def whisper(self, data: bytes) -> None:
        self.socket.sendall(data)

    def hear(self) -> list[Answer]:
        """Return the results and refusals that have arrived since the last call."""
        try:
            while chunk := self.socket.recv(1 << 20):
                self._heard += chunk
            self.is_cut = True
        except BlockingIOError:
            pass
        except ConnectionResetError:
            self.is_cut = True
        *lines, self._heard = self._heard.split(b"\n")
        answers = [json.loads(line) for line in lines]
        return [each["result"] if each["ok"] else {"error": each["error"]} for each in answers]


class Rig:
    """*forks*: whether the system lets processes begin; else they exit at once."""

    def __init__(self, path: Path, fleet: Fleet, report: Answer | None = None) -> None:
        self.path = path
        self.fleet = fleet
        self.forks = True
        self.orders: list[Order] = []
        self._undone: deque[StartTemplate | Spawn | AskToStop] = deque()
        self._has_ended = False
        self._callers: list[Caller] = []
        self.selector = selectors.DefaultSelector()
        self.reports = 0  # made
        self.inquiries: list[Callable[[Answer], None]] = []  # what is to be done with answers
        self._report = report
        self.store = Store()
        verbs = Verbs(fleet, self._answer, self._inquire, self.store)
        self.server = ControlServer(claim(path), self.selector, verbs)

    def caller(self) -> Caller:
        """Connect a program; it is taken in with the next turn."""
        caller = Caller(self.path)
        self._callers.append(caller)
        return caller

    def ask(self, verb: str, **fields: Any) -> list[Answer]:
        """Ask on a connection of its own; return what it hears at once."""
        caller = self.caller()
        caller.say(verb, **fields)
        self.settle()
        return caller.hear()

    def drain(self, caller: Caller) -> list[Answer]:
        """Return all that a caller hears when it reads as much as it is sent."""
        heard = caller.hear()
        while self.turn():
            heard += caller.hear()
        return heard

    def settle(self) -> None:
        """Turn until nobody has anything to say."""
        turns = 0
        while self.turn():
            turns += 1
            assert turns < ENDLESS, "it spins"

    def turn(self) -> int:
        """React to what is ready, as the primary does; return how much that was."""
        ready = self.selector.select(0)
        for key, _ in ready:
            for fact in key.data(7.0):
                self.tell(fact)
        return len(ready)

    def tell(self, *facts: Fact, now: float = 0.0) -> None:
        for fact in facts:
            self._perform(self.fleet.handle(fact, now))

    def live(self, now: float) -> None:
        """Let time pass, and every process do what it was told."""
        self._perform(self.fleet.tick(now))
        for worker in self.fleet.roster.of(Role.WORKER):
            if worker.phase is Phase.READY:
                self.tell(Proven(worker.id), now=now)
        while self._undone:
            match self._undone.popleft():
                case StartTemplate(id) | Spawn(id):
                    self.tell(Forked(id, 1000 + id), Ready(id), now=now)
                case AskToStop(id):
                    self.tell(Exited(id, 0), now=now)

    def end(self, code: int) -> None:
        """Exit, as far as the server is concerned."""
        self._has_ended = True
        self.server.finish(code)

    def close(self) -> None:
        if not self._has_ended:
            self.end(0)
        for caller in self._callers:
            caller.socket.close()
        self.selector.close()

    def _answer(self, now: float) -> Answer:
        self.reports += 1
        return self._report or {"now": now}

    def _inquire(self, slot: int | None, now: float, then: Callable[[Answer], None]) -> None:  # noqa: ARG002
        if slot not in (None, 0):
            raise ControlError(f"there is no worker in slot {slot} now")
        self.inquiries.append(then)

    def _perform(self, orders: list[Order]) -> None:
        self.orders += orders
        for order in orders:
            match order:
                case TellReload(status):
                    self.server.tell(status)
                case StartTemplate(id) | Spawn(id) if not self.forks:
                    self.tell(Exited(id, 1))
                case StartTemplate() | Spawn() | AskToStop():
                    self._undone.append(order)
                case _:
                    pass  # nobody has anything to do
