"""Children come, as the core orders: forked here or by a template, or not at all."""

import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from prefork import log
from prefork.core.facts import Exited, Fact, Forked
from prefork.core.orders import Spawn, SpawnPool, StartHub, StartTemplate
from prefork.primary.acceptor import Acceptor
from prefork.primary.children import Child
from prefork.primary.conversation import Conversation
from prefork.primary.nursery import Nursery, Request
from prefork.primary.reception import Reception
from prefork.wire.complaint import Complaint
from prefork.wire.estate import Launch

Bury = Callable[[Child, int, float, str], Iterator[Fact]]


class Births:
    """Where the system refuses a child, it is as if that had died at once."""

    def __init__(
        self,
        nursery: Nursery,
        talk: Conversation,
        acceptor: Acceptor,
        reception: Reception,
        bury: Bury,
    ) -> None:
        self.nursery = nursery
        self._talk = talk
        self._acceptor = acceptor
        self._reception = reception
        self._bury = bury
        self._trouble = Complaint("spawn_failed", log.error)
        self.launch: Launch | None = None  # of a script's workers
        self.envs: dict[int, Mapping[str, str]] = {}  # by slot: what is added for whoever is there

    def start(self, order: StartTemplate | StartHub, now: float) -> Iterable[Fact]:
        """Fork a template, or a hub."""
        try:
            if isinstance(order, StartHub):
                return self._begin(self.nursery.hub(order))
            return self._begin(self.nursery.template(order))
        except OSError as error:
            return self._miscarry(order.id, error, now)

    def spawn(self, order: Spawn | SpawnPool, now: float) -> Iterable[Fact]:
        """Ask the template for it; the pid comes later. Without a template, fork it now."""
        try:
            if order.template is None:
                return self._begin(self._fork(order, now))
            request = self._request(order, now)
            self._talk.begin(request.child)
            template = self.nursery.children.get(order.template)
            assert template is not None, "the core spawns from templates that live"
            return self._talk.say(template, request.message, request.descriptors)
        except OSError as error:
            return self._miscarry(order.id, error, now)

    def take_in(self, id: int, end: socket.socket) -> Child:
        """Have a script for a guest: a worker that nobody here forks, stops or reaps.

        *end*: ours of the channel, whose end is the guest's.
        """
        guest = self.nursery.guest(id, end)
        self._talk.begin(guest)
        return guest

    def give_up(self, id: int) -> None:
        """Tell nobody any more what was said to a worker that never comes."""
        self._reception.posts.drop(id)

    def _fork(self, order: Spawn | SpawnPool, now: float) -> Child:
        if isinstance(order, SpawnPool):
            return self.nursery.pool(order, self._tickets(order), now)
        listeners = self._acceptor.listeners_of(order.slot, now)
        return self.nursery.worker(order, listeners, self._launch(order.slot))

    def _request(self, order: Spawn | SpawnPool, now: float) -> Request:
        if isinstance(order, SpawnPool):
            return self.nursery.request_pool(order, self._tickets(order), now)
        return self.nursery.request(order, self._acceptor.listeners_of(order.slot, now))

    def _tickets(self, order: SpawnPool) -> int:
        return self._reception.pools.tickets(order.generation)

    def _launch(self, slot: int) -> Launch | None:
        """Give it to who comes as to who was there: a reload replaces like by like."""
        return self.launch and replace(self.launch, env=self.envs.get(slot, {}))

    def _begin(self, child: Child) -> Iterable[Fact]:
        assert child.pid is not None, "it was forked by us"
        self._talk.begin(child)
        self._reception.posts.mailboxes.meet(child)
        return [Forked(child.id, child.pid)]

    def _miscarry(self, id: int, error: OSError, now: float) -> Iterable[Fact]:
        reason = error.strerror or str(error)
        self._trouble.tell(now, reason=reason)
        if child := self.nursery.children.get(id):
            return list(self._bury(child, 1, now, reason))
        self.give_up(id)
        return [Exited(id, 1, reason)]
