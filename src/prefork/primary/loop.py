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
    Appoint,
    AskToStop,
    CloseListeners,
    Finish,
    GiveUp,
    Kill,
    Note,
    OpenHub,
    OpenPool,
    Order,
    ReleaseListeners,
    ReloadStatus,
    Resume,
    Spawn,
    SpawnPool,
    StartHub,
    StartTemplate,
    Suspend,
    TellReload,
)

_LOGGERS = {"debug": log.debug, "info": log.info, "warning": log.warning, "error": log.error}


# Of these the host has nothing to tell.
Act = Suspend | Resume | Abort | GiveUp | OpenPool | CloseListeners | ReleaseListeners
Quiet = Act | AnnounceReady | TellReload | Note | Finish


class Host(Protocol):
    """Everything the primary asks of the operating system. What it returns is told to the fleet."""

    def now(self) -> float: ...
    def wait(self, deadline: float | None) -> Iterable[Fact]: ...
    def start(self, order: StartTemplate | StartHub) -> Iterable[Fact]: ...
    def spawn(self, order: Spawn | SpawnPool) -> Iterable[Fact]: ...
    def admit(self, id: int) -> Iterable[Fact]: ...
    def open_hub(self, id: int) -> Iterable[Fact]: ...
    def open_pool(self, id: int) -> None: ...
    def appoint(self, id: int) -> Iterable[Fact]: ...
    def give_up(self, id: int) -> None: ...
    def suspend(self, id: int) -> None: ...
    def resume(self, id: int) -> None: ...
    def close_listeners(self) -> None: ...
    def release_listeners(self) -> None: ...
    def ask_to_stop(self, order: AskToStop) -> Iterable[Fact]: ...
    def abort(self, id: int, reason: str) -> None: ...
    def kill(self, id: int, reason: str) -> Iterable[Fact]: ...


class Clock(Protocol):
    """Whoever wants to be called at a time, and not only for a descriptor."""

    def next_check(self) -> float | None: ...
    def check(self, now: float) -> Iterable[Fact]: ...


class Observer(Protocol):
    """Whoever wants to know what happens, and may have something told because of it."""

    def takes(self, fact: Fact) -> bool:
        """Whether the fleet is not to be told of it, as somebody else sees to it."""

    def heard(self, fact: Fact) -> None:
        """Note a fact that the fleet was told of, before what it ordered is done."""

    def obeyed(self, order: Order) -> None:
        """Note an order that was obeyed."""

    def online(self, id: int) -> None:
        """Note that a worker runs, and is about to load the user's code."""

    def listening(self, id: int, bound: str) -> None:
        """Note that a worker listens on an address that it has asked for."""

    def ended(self, id: int) -> None:
        """Note that a process has closed its channel; its exit may follow later."""

    def speak(self) -> None:
        """Tell what was noted. Whoever listens may call `Primary.tell`."""


class Unobserved:
    """The observer where there is none."""

    def takes(self, fact: Fact) -> bool:  # noqa: ARG002
        return False

    def heard(self, fact: Fact) -> None:
        pass

    def obeyed(self, order: Order) -> None:
        pass

    def online(self, id: int) -> None:
        pass

    def listening(self, id: int, bound: str) -> None:
        pass

    def ended(self, id: int) -> None:
        pass

    def speak(self) -> None:
        pass


class Primary:
    """Runs a fleet on a host until the fleet has finished."""

    def __init__(
        self,
        fleet: Fleet,
        host: Host,
        *,
        announce: Callable[[], None],
        tell_reload: Callable[[ReloadStatus], None],
        observer: Observer,
    ) -> None:
        self._observer = observer
        self._fleet = fleet
        self._host = host
        self._announce = announce  # called once, when every slot serves
        self._tell_reload = tell_reload  # called when one begins, moves a slot, or ends
        self._exit_code: int | None = None
        self._deadline: float | None = None  # of the fleet
        self._has_heard = False  # something, since it was last asked for that

    def run(self) -> int:
        """Return what the process is to exit with."""
        self._perform(self._fleet.start(self._host.now()))
        self._settle()
        while self._exit_code is None:
            for fact in self._host.wait(self._deadline):
                self.tell(fact)
            self._observer.speak()
            if self._has_heard or self._is_late():
                self._settle()
        return self._exit_code

    def tell(self, fact: Fact) -> None:
        """Tell the fleet, unless somebody else sees to it."""
        if self._observer.takes(fact):
            self._has_heard = True
        else:
            self.insist(fact)

    def insist(self, fact: Fact) -> None:
        """Tell the fleet, whoever else would see to it, and do what it orders."""
        self._has_heard = True
        orders = self._fleet.handle(fact, self._host.now())
        self._observer.heard(fact)
        self._perform(orders)

    def _settle(self) -> None:
        """Look at every deadline, again where listeners told something because of it.

        Not for every connection: that is to look at every worker.
        """
        self._has_heard = True
        while self._has_heard and self._exit_code is None:
            self._has_heard = False
            self._perform(self._fleet.tick(self._host.now()))
            self._observer.speak()
        self._deadline = self._fleet.next_deadline()

    def _is_late(self) -> bool:
        return self._deadline is not None and self._deadline <= self._host.now()

    def _perform(self, orders: Iterable[Order]) -> None:
        """Obey in order; what an order brings about is told when all of them are obeyed."""
        facts: deque[Fact] = deque()
        for order in orders:
            facts.extend(self._obey(order))
            self._observer.obeyed(order)
        for fact in facts:
            self.tell(fact)

    def _obey(self, order: Order) -> Iterable[Fact]:
        match order:
            case StartTemplate() | StartHub():
                yield from self._host.start(order)
            case Spawn() | SpawnPool():
                yield from self._host.spawn(order)
            case Appoint(id):
                yield from self._host.appoint(id)
            case Admit(id):
                yield from self._host.admit(id)
            case OpenHub(id):
                yield from self._host.open_hub(id)
            case AskToStop():
                yield from self._host.ask_to_stop(order)
            case Kill(id, reason):
                yield from self._host.kill(id, reason)
            case _:
                self._do(order)

    def _do(self, order: Quiet) -> None:
        match order:
            case AnnounceReady():
                self._announce()
            case TellReload(status):
                self._tell_reload(status)
            case Note(level, event, fields):
                _LOGGERS[level](event, **dict(fields))
            case Finish(code):
                self._exit_code = code
            case _:
                self._act(order)

    def _act(self, order: Act) -> None:
        match order:
            case Suspend(id):
                self._host.suspend(id)
            case Resume(id):
                self._host.resume(id)
            case Abort(id, reason):
                self._host.abort(id, reason)
            case GiveUp(id):
                self._host.give_up(id)
            case OpenPool(id):
                self._host.open_pool(id)
            case CloseListeners():
                self._host.close_listeners()
            case ReleaseListeners():
                self._host.release_listeners()
