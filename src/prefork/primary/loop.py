"""Wait, decide, act, repeat."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from prefork import log
from prefork.core.facts import Fact
from prefork.core.fleet import Fleet
from prefork.core.orders import (
    Abort,
    Admit,
    AnnounceReady,
    AskToStop,
    CloseListeners,
    Finish,
    Kill,
    Note,
    Order,
    ReloadStatus,
    Resume,
    Spawn,
    StartTemplate,
    Suspend,
    TellReload,
)

_LOGGERS = {"debug": log.debug, "info": log.info, "warning": log.warning, "error": log.error}


# Of these the host has nothing to tell.
Act = Suspend | Resume | Abort | CloseListeners
Quiet = Act | AnnounceReady | TellReload | Note | Finish


class Host(Protocol):
    """Everything the primary asks of the operating system. What it returns is told to the fleet."""

    def now(self) -> float: ...
    def wait(self, deadline: float | None) -> Iterable[Fact]: ...
    def start_template(self, order: StartTemplate) -> Iterable[Fact]: ...
    def spawn(self, order: Spawn) -> Iterable[Fact]: ...
    def admit(self, id: int) -> Iterable[Fact]: ...
    def suspend(self, id: int) -> None: ...
    def resume(self, id: int) -> None: ...
    def close_listeners(self) -> None: ...
    def ask_to_stop(self, order: AskToStop) -> Iterable[Fact]: ...
    def abort(self, id: int, reason: str) -> None: ...
    def kill(self, id: int, reason: str) -> Iterable[Fact]: ...


class Clock(Protocol):
    """Whoever wants to be called at a time, and not only for a descriptor."""

    def next_check(self) -> float | None: ...
    def check(self, now: float) -> Iterable[Fact]: ...


class Primary:
    """Runs a fleet on a host until the fleet has finished."""

    def __init__(
        self,
        fleet: Fleet,
        host: Host,
        *,
        announce: Callable[[], None],
        tell_reload: Callable[[ReloadStatus], None],
    ) -> None:
        self._fleet = fleet
        self._host = host
        self._announce = announce  # called once, when every slot serves
        self._tell_reload = tell_reload  # called when one begins, moves a slot, or ends
        self._exit_code: int | None = None

    def run(self) -> int:
        """Return what the process is to exit with."""
        self._perform(self._fleet.start(self._host.now()))
        deadline = self._fleet.next_deadline()
        while self._exit_code is None:
            facts = 0
            for facts, fact in enumerate(self._host.wait(deadline), 1):  # noqa: B007 - the count
                self._tell(fact)
            if facts or (deadline is not None and deadline <= self._host.now()):
                # Not for every connection: this looks at every worker.
                self._perform(self._fleet.tick(self._host.now()))
                deadline = self._fleet.next_deadline()
        return self._exit_code

    def _tell(self, fact: Fact) -> None:
        self._perform(self._fleet.handle(fact, self._host.now()))

    def _perform(self, orders: Iterable[Order]) -> None:
        """Obey in order; what an order brings about is told when all of them are obeyed."""
        facts: deque[Fact] = deque()
        for order in orders:
            facts.extend(self._obey(order))
        for fact in facts:
            self._tell(fact)

    def _obey(self, order: Order) -> Iterable[Fact]:
        match order:
            case StartTemplate():
                yield from self._host.start_template(order)
            case Spawn():
                yield from self._host.spawn(order)
            case Admit(id):
                yield from self._host.admit(id)
            case AskToStop():
                yield from self._host.ask_to_stop(order)
            case Kill(id, reason):
                yield from self._host.kill(id, reason)
            case _:
                self._do(order)

    def _do(self, order: Quiet) -> None:
        match order:
            case Suspend() | Resume() | Abort() | CloseListeners():
                self._act(order)
            case AnnounceReady():
                self._announce()
            case TellReload(status):
                self._tell_reload(status)
            case Note(level, event, fields):
                _LOGGERS[level](event, **dict(fields))
            case Finish(code):
                self._exit_code = code

    def _act(self, order: Act) -> None:
        match order:
            case Suspend(id):
                self._host.suspend(id)
            case Resume(id):
                self._host.resume(id)
            case Abort(id, reason):
                self._host.abort(id, reason)
            case CloseListeners():
                self._host.close_listeners()
