"""A worker as the primary's code sees it."""

import signal as signals
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, AF_UNIX, AddressFamily
from typing import Any, Protocol, overload

from prefork.cluster.events import Emitter, Handler, Registered

STATES = ("none", "online", "listening", "disconnected", "dead")  # in this order, none twice

EVENTS = {  # of one worker: how many arguments each comes with
    "fork": 0,
    "online": 0,
    "listening": 1,  # an Address
    "message": 2,  # the message, and a list of descriptors, which are the handler's from then on
    "request": 1,  # the message; what the handler returns is the reply
    "leader": 0,
    "disconnect": 0,
    "exit": 2,  # the exit code, and the signal that killed it: one of them is None
    "error": 1,  # what a handler raised
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a worker listens: host and port, or, where *family* is AF_UNIX, the path."""

    family: AddressFamily
    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def of(cls, bound: str) -> "Address":
        """Read an address as the log writes it: what nobody may type, as a long path, is bound."""
        if bound.startswith("unix:"):
            return cls(AF_UNIX, path=bound.removeprefix("unix:"))
        host, _, port = bound.rpartition(":")
        return cls(AF_INET6 if ":" in host else AF_INET, host.strip("[]"), int(port))


Then = Callable[[Any, Exception | None], object]


class Reins(Protocol):
    """What can be done with a worker."""

    def send(self, id: int, message: Any, fds: Sequence[int]) -> bool: ...
    def request(self, id: int, message: Any, timeout: float, then: Then) -> None: ...
    def disconnect_worker(self, id: int) -> None: ...
    def kill_worker(self, id: int, signal: int) -> None: ...


class Worker:
    """One worker, as the primary sees it.

    *id* is never used again; *slot*, from 0, is, by its successor. *generation*: how many
    times the code had been loaded anew, from 1. *pid* is None until the worker is there.

    *state* goes from "none" over "online", "listening" and "disconnected" to "dead".
    *exited_after_disconnect* is None while it lives and nothing told it to go, then whether it was
    told: True after `disconnect`, a reload or a stop, False after a crash. One that had to wait
    before it was started, and is told to go meanwhile, is dead at once, and no event tells of it.
    """

    def __init__(
        self,
        reins: Reins | None,
        id: int,
        slot: int,
        generation: int,
        failed: Callable[[Exception], object] = lambda _: None,
    ) -> None:
        """*failed*: is told what a handler of its raises."""
        self.id = id
        self.slot = slot
        self.generation = generation
        self.pid: int | None = None  # not known yet
        self.doom: int | None = None  # a signal that waits until it is
        self.state = "none"
        self.exited_after_disconnect: bool | None = None
        self._given = reins
        self.events = Emitter(EVENTS, failed)

    def __repr__(self) -> str:
        return f"<Worker {self.id} slot={self.slot} pid={self.pid} {self.state}>"

    @overload
    def on(self, event: str, handler: Registered) -> Registered: ...
    @overload
    def on(self, event: str) -> Callable[[Registered], Registered]: ...
    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Call *handler* at each such event of this worker; otherwise as the cluster's `on`."""
        return self.events.on(event, handler)

    @overload
    def once(self, event: str, handler: Registered) -> Registered: ...
    @overload
    def once(self, event: str) -> Callable[[Registered], Registered]: ...
    def once(self, event: str, handler: Handler | None = None) -> Any:
        """Call *handler* at the next such event, and then no more; otherwise as `on`."""
        return self.events.on(event, handler, is_once=True)

    def off(self, event: str, handler: Handler) -> None:
        """Call *handler* no more, where it was to be called. Raises ValueError as `on`."""
        self.events.off(event, handler)

    def send(self, message: Any, fds: Sequence[int] = ()) -> bool:
        """Send a message, and up to 253 descriptors with it, which stay open here.

        False: it was not taken, for the worker is gone or 16 MiB wait for it; or it was taken, and
        over 1 MiB waits: send more later. Raises TypeError or ValueError for what can't be sent,
        and OSError for descriptors that are not open.
        """
        return self._reins.send(self.id, message, fds)

    def request(self, message: Any, timeout: float, then: Then) -> None:
        """Ask the worker; `then(reply, None)` is called with its answer.

        `then(None, error)`, with a RequestError, where none came within *timeout* seconds, the
        worker is gone, or its handler raised.
        """
        self._reins.request(self.id, message, timeout, then)

    def disconnect(self) -> None:
        """Have the worker finish what it has, and go.

        A script's takes nothing new from now on. One of a `Cluster` is replaced: it goes on until
        its successor serves.
        """
        self._reins.disconnect_worker(self.id)

    def kill(self, signal: int | str = signals.SIGKILL) -> None:
        """Send the worker a signal at once, whatever it is doing: a number, or a name as "SIGTERM".

        Raises ValueError for one that doesn't exist.
        """
        number = signals.Signals.__members__.get(signal) if isinstance(signal, str) else signal
        if number is None or number not in signals.valid_signals():
            raise ValueError(f"no such signal {signal!r}")
        self._reins.kill_worker(self.id, number)

    def is_connected(self) -> bool:
        """Whether messages can reach the worker."""
        return self.state in ("none", "online", "listening")

    def is_dead(self) -> bool:
        """Whether it has exited."""
        return self.state == "dead"

    @property
    def _reins(self) -> Reins:
        assert self._given is not None, "a worker belongs to a cluster"
        return self._given

    def advance(self, state: str) -> bool:
        """Go on to a later state; False: it was there, or further."""
        if STATES.index(state) <= STATES.index(self.state):
            return False
        self.state = state
        return True
