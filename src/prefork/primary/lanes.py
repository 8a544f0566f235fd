"""The lanes on which workers that drain hand connections back to those that follow them."""

import selectors
from collections.abc import Callable, Iterable
from functools import partial

from prefork.core.facts import Fact, Misbehaved
from prefork.errors import RemoteError
from prefork.primary import mail
from prefork.primary.arrivals import Connection
from prefork.primary.recipient import Recipient


class Lanes:
    """One for each worker that hands back; a turn of the loop reads one message of each.

    They are read only while nothing else waits to be given out, so that what waits is bounded:
    the rest stays with the worker, or in the kernel.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        take: Callable[[Recipient, float], Iterable[Fact]],
    ) -> None:
        self._selector = selector
        self._take = take  # called when there is something to `receive`
        self._open: dict[int, Recipient] = {}  # by id
        self._buried: set[int] = set()  # ids of those whose worker is dead
        self._is_heard = False

    def open(self, recipient: Recipient) -> None:
        """Heed what the worker hands back, until it is buried."""
        if recipient.child.id not in self._open:
            self._open[recipient.child.id] = recipient
            if self._is_heard:
                self._register(recipient)

    def bury(self, recipient: Recipient) -> list[Connection]:
        """Give what is left on a dead worker's lane; what no descriptor is free for comes later."""
        if recipient.child.id not in self._open:
            return []
        self._buried.add(recipient.child.id)
        recipient.child.handover = None  # it outlives its worker
        return self._receive_rest(recipient)

    def empty(self) -> list[Connection]:
        """Give what is on all lanes."""
        lanes = list(self._open.values())
        return [each for recipient in lanes for each in self._receive_rest(recipient)]

    def listen(self) -> None:
        if not self._is_heard:
            self._is_heard = True
            for recipient in self._open.values():
                self._register(recipient)

    def ignore(self) -> None:
        if self._is_heard:
            self._is_heard = False
            for recipient in self._open.values():
                self._selector.unregister(recipient.end)

    def receive(self, recipient: Recipient) -> list[Connection] | Misbehaved | None:
        """Take one message, or all of a dead worker's. None: no descriptor is free for it."""
        if recipient.child.id not in self._open:  # its worker was buried in this very turn
            return []
        if recipient.child.id in self._buried:
            return self._receive_rest(recipient) or None
        return self._receive_one(recipient)

    def _receive_one(self, recipient: Recipient) -> list[Connection] | Misbehaved | None:
        try:
            return recipient.receive_back()
        except OSError:
            return None
        except RemoteError as error:
            if recipient.child.id in self._buried:
                return []  # an end that nobody holds any more reads like that
            return mail.blame(recipient.child, str(error))

    def _receive_rest(self, recipient: Recipient) -> list[Connection]:
        rest: list[Connection] = []
        while isinstance(batch := self._receive_one(recipient), list) and batch:
            rest += batch
        if batch is not None and recipient.child.id in self._buried:
            self._close(recipient)
        return rest

    def _close(self, recipient: Recipient) -> None:
        if self._is_heard:
            self._selector.unregister(recipient.end)
        del self._open[recipient.child.id]
        self._buried.discard(recipient.child.id)
        recipient.end.close()

    def _register(self, recipient: Recipient) -> None:
        self._selector.register(recipient.end, selectors.EVENT_READ, partial(self._take, recipient))
