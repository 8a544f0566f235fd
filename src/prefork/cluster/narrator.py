"""What happens in the primary, told as events: of the cluster, and of each worker."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from prefork.cluster.events import Emitter
from prefork.cluster.handle import EVENTS as OF_WORKER
from prefork.cluster.handle import Address, Reins, Worker
from prefork.cluster.heirs import Heirs
from prefork.cluster.timers import Timer
from prefork.core.facts import Exited, Fact, Forked, ReloadRequested
from prefork.core.orders import (
    Admit,
    Appoint,
    AskToStop,
    Finish,
    GiveUp,
    Order,
    ReleaseListeners,
    Spawn,
)
from prefork.wire.descriptors import close_all

# All of a worker's, with the worker before the other arguments, and those of the cluster itself.
EVENTS = {name: count + 1 for name, count in OF_WORKER.items() if name != "error"} | {
    "error": 1,  # what a handler raised
    "setup": 1,  # the settings
    "reload": 0,  # instead of the reload that was asked for
}


class Reply(NamedTuple):
    """How a worker's request is answered: with a value, or with why there is none."""

    give: Callable[[Any], object]
    fail: Callable[[str], object]


class Narrator:
    """Notes what happens while it happens, and calls handlers for it when all is done."""

    def __init__(self, addresses: Callable[[], Sequence[str]]) -> None:
        """*addresses*: on which every worker listens that is in rotation."""
        self.events = Emitter(EVENTS)
        self.heirs = Heirs()
        self.workers: dict[int, Worker] = {}  # by id; until it has disconnected and exited
        self.reins: Reins | None = None  # by which workers can be told something
        self.released: Callable[[], object] = lambda: None  # called when a disconnect is done
        self.told: Callable[[], object] = lambda: None  # called when nothing is left to be told
        self._addresses = addresses
        self._untold: deque[Callable[[], object]] = deque()

    def meet(self, id: int, slot: int, generation: int) -> Worker:
        """Give the worker of this id, which may not be forked yet."""
        if id not in self.workers:
            self.workers[id] = Worker(self.reins, id, slot, generation, self._pass_on)
        return self.workers[id]

    def _pass_on(self, error: Exception) -> None:
        """What a worker's handler raises is the cluster's business too."""
        self.events.emit("error", error)

    def later(self, call: Callable[[], object]) -> None:
        """Call this when what happens now is done."""
        self._untold.append(call)

    def ring(self, timer: Timer) -> None:
        """Call what is due when what happens now is done; that may cancel it."""
        self.later(partial(self._ring, timer))

    def _ring(self, timer: Timer) -> None:
        if not timer.is_cancelled:
            self.events.call("timer", timer.callback)

    # -- what the loop tells -------------------------------------------------

    def takes(self, fact: Fact) -> bool:
        """A reload is the script's own where it has a handler for it."""
        if not isinstance(fact, ReloadRequested) or not self.events.has("reload"):
            return False
        self.later(partial(self.events.emit, "reload"))
        return True

    def heard(self, fact: Fact) -> None:
        match fact:
            case Forked(id, pid) if worker := self.workers.get(id):
                worker.pid = pid
                if worker.doom is not None:
                    self.later(partial(worker.kill, worker.doom))
            case Exited(id, status) if worker := self.workers.get(id):
                self.later(partial(self._tell_exit, worker, status))

    def obeyed(self, order: Order) -> None:
        match order:
            case Spawn(id, slot, generation):
                self._welcome(id, slot, generation)
            case Admit(id) if worker := self.workers.get(id):
                for address in self._addresses():
                    self.listening(worker.id, address)
            case AskToStop(id) if worker := self.workers.get(id):
                worker.exited_after_disconnect = True
            case Appoint(id):
                self._note(id, "leader", "")
            case GiveUp(id) if worker := self.workers.pop(id, None):
                worker.exited_after_disconnect = True
                worker.advance("dead")  # without an event: none told of its fork
            case ReleaseListeners() | Finish():  # of a stop that came in between there is no other
                self.later(self.released)
            case _:
                pass  # of no interest to handlers

    def _welcome(self, id: int, slot: int, generation: int) -> None:
        if id not in self.workers:
            self.heirs.bring(id)
        self.meet(id, slot, generation).generation = generation
        self._note(id, "fork", "")

    def speak(self) -> None:
        while True:
            while self._untold:
                self._untold.popleft()()
            self.told()
            if not self._untold:
                return

    # -- what the host tells -------------------------------------------------

    def online(self, id: int) -> None:
        self._note(id, "online", "online")

    def listening(self, id: int, bound: str) -> None:
        if worker := self.workers.get(id):
            self.later(partial(self._tell_listening, worker, Address.of(bound)))

    def received(self, id: int, message: Any, fds: list[int]) -> None:
        if worker := self.workers.get(id):
            self.later(partial(self._tell_message, worker, message, fds))
        else:
            close_all(fds)

    def asked(self, id: int, message: Any, reply: Reply) -> None:
        if worker := self.workers.get(id):
            self.later(partial(self._tell_request, worker, message, reply))

    def ended(self, id: int) -> None:
        """It has closed its channel."""
        self._note(id, "disconnect", "disconnected")

    # -- what is told then ---------------------------------------------------

    def _note(self, id: int, event: str, state: str, *arguments: object) -> None:
        """Tell an event later; where it makes a worker enter a *state*, once."""
        if worker := self.workers.get(id):
            self.later(partial(self._tell, worker, event, state, *arguments))

    def _tell(self, worker: Worker, event: str, state: str, *arguments: object) -> None:
        if not state or worker.advance(state):
            worker.events.emit(event, *arguments)
            self.events.emit(event, worker, *arguments)

    def _tell_listening(self, worker: Worker, address: Address) -> None:
        worker.advance("listening")
        self._tell(worker, "listening", "", address)

    def _tell_message(self, worker: Worker, message: Any, fds: list[int]) -> None:
        if not (worker.events.gives_all("message") or self.events.gives_all("message")):
            close_all(fds)  # nobody gets them who could
        self._tell(worker, "message", "", message, fds)

    def _tell_request(self, worker: Worker, message: Any, reply: Reply) -> None:
        """Answer with what the worker's handler returns; where it has none, the cluster's."""
        answers = worker.events if worker.events.has("request") else self.events
        arguments = (message,) if answers is worker.events else (worker, message)
        if not answers.has("request"):
            reply.fail("the primary has no handler for requests")
            return
        try:
            reply.give(answers.ask("request", *arguments))
        except Exception as error:  # noqa: BLE001 - it is the user's code
            reply.fail(repr(error))

    def _tell_exit(self, worker: Worker, status: int) -> None:
        self._tell(worker, "disconnect", "disconnected")
        worker.exited_after_disconnect = bool(worker.exited_after_disconnect)
        del self.workers[worker.id]
        code, signal = (None, -status) if status < 0 else (status, None)
        self.heirs.find(worker, self.workers.values())
        self._tell(worker, "exit", "dead", code, signal)
        self.heirs.forget()
