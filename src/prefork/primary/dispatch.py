"""Connections that are in no worker's hands: where they are taken from, and to whom they go."""

import selectors
from collections.abc import Collection, Iterable

from prefork.core.facts import Misbehaved
from prefork.policy.ledger import STUCK_AFTER
from prefork.primary import arrivals
from prefork.primary.arrivals import Connection
from prefork.primary.crew import Crew
from prefork.primary.lanes import Lanes
from prefork.primary.listeners import Listener, Listeners
from prefork.primary.lobby import Lobby
from prefork.primary.queues import Queues
from prefork.primary.recipient import Recipient
from prefork.primary.rules import Rules
from prefork.wire.board import Board, Field
from prefork.wire.complaint import Complaint

ACCEPT_BATCH = 32  # per turn of the loop: signals and channels get theirs
LOOK_OVER = STUCK_AFTER / 4  # seconds; at workers' own queues, only while connections come
LOOK_AGAIN = 0.01  # seconds; only while connections wait for a worker with room


class Dispatch:
    """Takes from listeners, from lanes and from those that can't keep theirs; gives to the crew.

    What nobody may be given waits here, or better in the kernel's backlog.
    """

    def __init__(
        self,
        listeners: Listeners,
        crew: Crew,
        board: Board,
        selector: selectors.BaseSelector,
        rules: Rules,
    ) -> None:
        self._listeners = listeners
        self._crew = crew
        self._own_line = board.line(0)
        self._queues = Queues(listeners, selector, self.accept, self._look_over)
        self.lanes = Lanes(selector, self._receive_back)
        self._rules = rules
        self._lobby = Lobby()
        self._trouble = Complaint("accept_failed")
        self._now = 0.0
        self.is_closed = False
        self.check_at: float | None = None  # when there will be something to look at

    def check_by(self, when: float) -> None:
        if self.check_at is None or when < self.check_at:
            self.check_at = when

    def accept(self, listener: Listener, now: float) -> tuple[()]:
        """Take a batch from a listener and give it out. No fact for the core comes of it."""
        self._now = now
        accepted = self._take(listener, self._room())
        if self._give(listener.address, accepted):
            self._arrange()
        if not self._room():
            self._pause()
        return ()

    def resume(self, now: float) -> None:
        """Give out what waits, and listen again where there is anybody to give to."""
        self._now = now
        for address in self._lobby:
            self._give(address, self._lobby.take(address))
        self._turn_away()
        if not self.is_closed:
            self._arrange()
            return
        if self._lobby:
            self.check_by(now + LOOK_AGAIN)
        self.lanes.listen()

    def welcome(self, connections: Iterable[Connection]) -> None:
        """Give these out with the next `resume`."""
        self._lobby.add(connections)

    def close(self, now: float) -> None:
        """Give out all that the kernel has accepted, then refuse new connections for good.

        What waits in a socket that somebody else opened is not ours any more: it may be kept for
        whoever is started next.
        """
        for recipient in self._crew:
            recipient.account.unlimit()
        self._lobby.add(self.lanes.empty())
        self.resume(now)
        self._queues.ignore()
        self._shut(self._listeners)
        self.is_closed = True
        for recipient in self._crew:
            recipient.account.is_stuck = False  # or what all are late to take would be turned away
        self.resume(now)

    def release(self, now: float, kept: Collection[int]) -> None:
        """Close those addresses that no worker serves, nor would, but *kept*."""
        unwanted = self._listeners.numbers - self._crew.wanted() - set(kept)
        dropped = [each for number in unwanted for each in self._listeners.drop(number)]
        self._queues.ignore()
        self._shut(dropped)
        self.resume(now)

    def _shut(self, listeners: Iterable[Listener]) -> None:
        """Give out what the kernel has accepted, and refuse new connections."""
        for listener in listeners:
            while not listener.is_inherited and (rest := self._take(listener, ACCEPT_BATCH)):
                self._give(listener.address, rest)
            listener.close()

    def mind(self, recipient: Recipient, now: float) -> None:
        """Look also at queues that only the worker's slot takes from, where it serves them."""
        slot = recipient.account.slot
        recipient.queues = self._queues.of_worker(slot, recipient.addresses)
        if recipient.queues:
            self.check_by(now)

    def watch_over(self, now: float) -> None:
        """Look again soon while connections come to workers' own queues, else when one comes."""
        if not self._queues.are_workers or self.is_closed:
            return
        if self._crew.are_quiet(now):
            self._queues.hang_bell()
        else:
            self.check_by(now + LOOK_OVER)

    # -- giving --------------------------------------------------------------

    def _room(self) -> int:
        """How many more connections may be accepted in this turn."""
        most = self._rules.most
        if not most:
            return ACCEPT_BATCH
        taken = len(self._lobby) + self._crew.load(self._now)
        return min(ACCEPT_BATCH, max(0, most - taken))

    def _take(self, listener: Listener, most: int) -> list[Connection]:
        accepted, error = arrivals.take(listener, most, self._rules.identify)
        if error is not None:
            self._refused(error)
        return accepted

    def _receive_back(self, recipient: Recipient, now: float) -> list[Misbehaved]:
        """Take what a worker hands back, as much as comes at once, and give it to its heir."""
        self._now = now
        can_wait = self._crew.can_wait(recipient.account.slot, now)
        back = None if can_wait else self.lanes.receive(recipient)
        if back is None:
            self.lanes.ignore()
            self.check_by(now + LOOK_AGAIN)
            return []
        if isinstance(back, Misbehaved):
            return [back]
        self._lobby.add(back)
        self.resume(now)
        return []

    def _give(self, address: int, connections: list[Connection]) -> bool:
        """Give out what came to an address; whether nobody had room for some of it."""
        rest = self._crew.give(address, connections, self._now)
        if len(rest) < len(connections):
            self.check_by(self._now + STUCK_AFTER)
        self._lobby.add(rest)
        return bool(rest)

    def _turn_away(self) -> None:
        """Say so to those that wait for an address that nobody will serve any more."""
        for address in self._lobby:
            is_over = self.is_closed or address not in self._listeners
            if is_over and not self._crew.are_there(address):
                self._lobby.turn_away(address)

    # -- listening -----------------------------------------------------------

    def _refused(self, error: OSError) -> None:
        if error.errno in arrivals.EXHAUSTED:
            self._trouble.tell(self._now, reason=error.strerror)
            self._pause()
        # else: the client was gone before we took it (ECONNABORTED and its kin, accept(2))

    def _arrange(self) -> None:
        """Listen where somebody may be given what comes; leave the rest in the kernel's backlog.

        What nobody is there for is for the next to join. What waits for room is looked at again
        soon, and workers tell of it.
        """
        served = self._crew.served()
        self._queues.steer(served)
        short = {each for each in self._lobby if each in served}
        self._queues.take({each: slots for each, slots in served.items() if each not in short})
        self._own_line[Field.WAITING] = bool(short)
        if short:
            self.check_by(self._now + LOOK_AGAIN)
        if short or not served:
            self.lanes.ignore()
        else:
            self.lanes.listen()

    def _pause(self) -> None:
        """Take nothing for a while: there is no room for more, whoever it is for."""
        self._queues.ignore()
        self._own_line[Field.WAITING] = 1
        self.check_by(self._now + LOOK_AGAIN)

    def _look_over(self, now: float) -> tuple[()]:
        self.check_by(now)  # the check follows in the same turn
        return ()
