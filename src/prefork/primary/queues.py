"""The listeners as queues: which of them we take from, and whether somebody comes to the others."""

import selectors
from collections.abc import Callable, Collection, Mapping
from functools import partial

from prefork.policy.schemes import Accepts
from prefork.primary.listeners import Listener, Listeners
from prefork.primary.steering import Steering

Served = Mapping[int, Collection[int]]  # by address: slots whose worker takes what comes to it
Take = Callable[[Listener, float], tuple[()]]
Ring = Callable[[float], tuple[()]]


class Queues:
    """Watches listeners for the acceptor, and has the kernel add only where somebody takes.

    One that a worker takes from may have a bell: it rings once, when next somebody comes, so that
    it costs nothing at rest, and not a wake-up for every connection under load.
    """

    def __init__(
        self, listeners: Listeners, selector: selectors.BaseSelector, take: Take, ring: Ring
    ) -> None:
        self._listeners = listeners
        self._selector = selector
        self._take = take  # called when something waits in a listener that is ours
        self._ring = ring  # called when somebody has come to one that is not
        self._steering = Steering()
        self._served: Served = {}  # of those addresses that we take from
        self._watched: dict[Listener, bool] = {}  # whether it is ours
        self._has_bell = False

    @property
    def are_workers(self) -> bool:
        """Whether each slot's worker has queues of its own."""
        return bool(self._listeners.groups)

    def of_worker(self, slot: int, addresses: Collection[int]) -> list[Listener]:
        """Give those that only the slot's worker takes from, of the addresses that it serves."""
        groups = [each for each in self._listeners.groups if each[0].address in addresses]
        return [each for group in groups for each in group if each.slot == slot]

    def steer(self, served: Served) -> None:
        """Have the kernel add to those of *served* slots alone; to all where there is none."""
        self._steering.steer(self._listeners.groups, served)

    def take(self, served: Served) -> None:
        """Take from those that are nobody's while workers in *served* take from theirs.

        From an address that isn't in there nothing is taken.
        """
        self._served = served
        self._watch()

    def ignore(self) -> None:
        """Take from none."""
        self.take({})

    def hang_bell(self) -> None:
        """Ring when next somebody comes to a listener that is not ours."""
        self._has_bell = True
        self._watch()

    def _rung(self, now: float) -> tuple[()]:
        self._has_bell = False
        self._watch()
        return self._ring(now)

    def _watch(self) -> None:
        wanted = self._wanted()
        for listener, is_ours in self._watched.items():
            if wanted.get(listener) != is_ours:
                self._selector.unregister(listener.sock)
        for listener, is_ours in wanted.items():
            if self._watched.get(listener) != is_ours:
                reaction = partial(self._take, listener) if is_ours else self._rung
                self._selector.register(listener.sock, selectors.EVENT_READ, reaction)
        self._watched = wanted

    def _wanted(self) -> dict[Listener, bool]:
        wanted = {}
        for each in self._listeners:
            if (slots := self._served.get(each.address)) is not None:
                is_ours = each.is_ours(slots)
                if is_ours or (self._has_bell and each.accepts is Accepts.SLOT):
                    wanted[each] = is_ours
        return wanted
