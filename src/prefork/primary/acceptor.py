"""Who is given connections, of which address, and until when; and what is taken back."""

import selectors
from collections.abc import Collection

from prefork.core.facts import Misbehaved
from prefork.policy.ledger import STUCK_AFTER
from prefork.primary.children import Child
from prefork.primary.crew import Crew
from prefork.primary.dispatch import LOOK_AGAIN, Dispatch
from prefork.primary.listeners import Listener, Listeners
from prefork.primary.rules import Rules
from prefork.wire.board import Board


class Acceptor:
    """Owns the listeners, and every connection that is in no worker's hands.

    It accepts from those listeners from which no worker does; which those are may change with
    every worker that joins or leaves. When the listeners close it takes what is left in all.
    Every worker serves the addresses that were there at the start; others, those that it asked for.
    """

    def __init__(
        self,
        listeners: Listeners,
        rules: Rules,
        board: Board,
        selector: selectors.BaseSelector,
    ) -> None:
        self._listeners = listeners
        self._declared = frozenset(each.address for each in listeners)
        self._crew = Crew(board, rules, self._declared)
        self.dispatch = Dispatch(listeners, self._crew, board, selector, rules)

    # -- members -------------------------------------------------------------

    @property
    def is_closed(self) -> bool:
        """Whether nothing is listened on any more, nor will be."""
        return self.dispatch.is_closed

    def listeners_of(self, slot: int, now: float) -> list[Listener]:
        """Give what a worker of the slot is to accept from, once it has joined. Raises OSError."""
        return self._own(slot, self._declared, now)

    def own(self, child: Child, address: int, now: float) -> list[Listener]:
        """Give what a worker that serves the address is to accept from itself. Raises OSError."""
        return self._own(child.slot or 0, {address}, now)

    def join(self, child: Child, now: float) -> None:
        """Put a worker that is ready into rotation, or one that was suspended back."""
        recipient = self._crew.enter(child)
        self._crew.join(recipient, now)
        self.dispatch.mind(recipient, now)
        self.dispatch.resume(now)

    def serves(self, child: Child, address: int) -> bool:
        """Whether the worker serves the address, or will as soon as it is in rotation."""
        return self._crew.serves(child.id, address)

    def listen(self, child: Child, address: int, now: float) -> None:
        """Have a worker serve one more address, at once or as soon as it is in rotation."""
        recipient = self._crew.enter(child)
        self._crew.listen(recipient, address)
        self.dispatch.mind(recipient, now)
        self.dispatch.resume(now)

    def unlisten(self, child: Child, address: int, now: float) -> None:
        """Give the worker nothing more of that address. What it was given it takes, or hands back.

        The listener stays: what comes to it is for others, or waits for the next to ask for it.
        """
        recipient = self._crew.enter(child)
        self._crew.unlisten(recipient, address)
        self.dispatch.mind(recipient, now)
        self.dispatch.lanes.open(recipient)
        self.dispatch.resume(now)

    def leave(self, child: Child, now: float, *, hands_back: bool = False) -> None:
        """Give the worker nothing more. What it was given stays its own while it takes it.

        *hands_back*: it returns what it has nothing to finish on.
        """
        recipient = self._crew.leave(child.id)
        if hands_back and recipient is not None:
            self.dispatch.lanes.open(recipient)
        self.dispatch.resume(now)

    def suspend(self, child: Child, now: float) -> None:
        """Give the worker nothing more until it joins again, and what it has not taken to others.

        What waits in a queue that only its slot takes from is ours to accept meanwhile.
        """
        self.dispatch.welcome(self._crew.relieve(child.id, now))
        self.leave(child, now)

    def bury(self, child: Child, now: float) -> int:
        """Take back what a dead worker had not taken, or had handed back, and give it to others.

        Returns how many it had taken and not come to count: killed between the two, it may have.
        """
        uncounted = 0
        if recipient := self._crew.bury(child.id):
            recipient.look(now)
            self.dispatch.welcome(self._crew.take_back(recipient))
            self.dispatch.welcome(self.dispatch.lanes.bury(recipient))
            if recipient.left:
                self.dispatch.check_by(now + LOOK_AGAIN)
            uncounted = recipient.account.undelivered
        self.leave(child, now)
        return uncounted

    def _own(self, slot: int, addresses: Collection[int], now: float) -> list[Listener]:
        found = self._listeners.of(slot, addresses)
        self.dispatch.resume(now)  # one that is new has connections from its first moment
        return found

    # -- work ----------------------------------------------------------------

    def resume(self, now: float) -> None:
        """Give out what waits: there may be room again."""
        self.dispatch.resume(now)

    def next_check(self) -> float | None:
        """When `check` has something to look at; None: not before the next connection."""
        return self.dispatch.check_at

    def check(self, now: float) -> list[Misbehaved]:
        """Look after workers if it is time; tell of those that were found to be at fault."""
        due = self.dispatch.check_at
        if due is not None and now >= due:
            self.dispatch.check_at = None
            self._examine(now)
        return self._crew.take_blamed()

    def _examine(self, now: float) -> None:
        """See whether workers take what they were given; take back what a stuck one didn't."""
        self.dispatch.welcome(self._crew.examine(now))
        if self._crew.are_owed():
            self.dispatch.check_by(now + STUCK_AFTER / 2)
        self.dispatch.resume(now)
        self.dispatch.watch_over(now)

    def release(self, now: float, kept: Collection[int] = ()) -> None:
        """Close those addresses that were asked for and that no worker serves, but *kept*."""
        self.dispatch.release(now, kept)

    def close(self, now: float) -> None:
        """Give out all that the kernel has accepted, then refuse new connections for good."""
        self.dispatch.close(now)
