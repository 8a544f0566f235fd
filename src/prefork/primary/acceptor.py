"""Takes connections off listeners, gives them to workers, and takes them back."""

import selectors

from prefork.core.facts import Misbehaved
from prefork.policy.dealing import Policy
from prefork.policy.ledger import STUCK_AFTER, Account
from prefork.primary import arrivals
from prefork.primary.arrivals import Connection
from prefork.primary.children import Child
from prefork.primary.crew import Crew
from prefork.primary.lanes import Lanes
from prefork.primary.listeners import Listener, Listeners
from prefork.primary.queues import Queues
from prefork.primary.recipient import Recipient
from prefork.primary.rota import Rota
from prefork.wire.board import Board, Field
from prefork.wire.complaint import Complaint

ACCEPT_BATCH = 32  # per turn of the loop: signals and channels get theirs
LOOK_OVER = STUCK_AFTER / 4  # seconds; at workers' own queues, only while connections come
LOOK_AGAIN = 0.01  # seconds; only while connections wait for a worker with room


class Acceptor:
    """Owns the listeners, and every connection that is in no worker's hands.

    It accepts from those listeners from which no worker does; which those are may change with
    every worker that joins or leaves. When the listeners close it takes what is left in all.
    """

    def __init__(
        self,
        listeners: Listeners,
        policy: Policy,
        board: Board,
        selector: selectors.BaseSelector,
        most: int = 0,
    ) -> None:
        """*most*: connections of all workers together, where all come from here; 0: any number."""
        self._listeners = listeners
        self._rota = Rota(policy)
        self._crew = Crew(board)
        self._own_line = board.line(0)
        self._queues = Queues(listeners, selector, self.accept, self._look_over)
        self._lanes = Lanes(selector, len(listeners.families), self._receive_back)
        self._most = most
        self._is_closed = False
        self._waiting: list[Connection] = []
        self._check_at: float | None = None
        self._trouble = Complaint("accept_failed")
        self._now = 0.0

    # -- members -------------------------------------------------------------

    def listeners_of(self, slot: int, now: float) -> list[Listener]:
        """Give what a worker of the slot is to accept from, once it has joined. Raises OSError."""
        found = self._listeners.of(slot)
        self.resume(now)  # one that is new has connections from its first moment
        return found

    def join(self, child: Child, now: float) -> None:
        """Put a worker that is ready into rotation, or one that was suspended back."""
        queues = self._queues.of_worker(child.slot or 0)
        self._rota.join(self._crew.join(child, queues, now))
        if queues:
            self._check_by(now)
        self.resume(now)

    def leave(self, child: Child, now: float, *, hands_back: bool = False) -> None:
        """Give the worker nothing more. What it was given stays its own while it takes it.

        *hands_back*: it returns what it has nothing to finish on.
        """
        self._rota.leave(child.id)
        recipient = self._crew.leave(child.id)
        if hands_back and recipient is not None:
            self._lanes.open(recipient)
        self.resume(now)

    def suspend(self, child: Child, now: float) -> None:
        """Give the worker nothing more until it joins again, and what it has not taken to others.

        What waits in a queue that only its slot takes from is ours to accept meanwhile.
        """
        self._waiting += self._crew.relieve(child.id, now)
        self.leave(child, now)

    def bury(self, child: Child, now: float) -> int:
        """Take back what a dead worker had not taken, or had handed back, and give it to others.

        Returns how many it had taken and not come to count: killed between the two, it may have.
        """
        uncounted = 0
        if recipient := self._crew.bury(child.id):
            recipient.look(now)
            self._waiting += self._crew.take_back(recipient) + self._lanes.bury(recipient)
            if recipient.left:
                self._check_by(now + LOOK_AGAIN)
            uncounted = recipient.account.undelivered
        self.leave(child, now)
        return uncounted

    # -- work ----------------------------------------------------------------

    def accept(self, listener: Listener, now: float) -> tuple[()]:
        """Take a batch from a listener and give it out. No fact for the core comes of it."""
        self._now = now
        self._give(self._take(listener, self._room()))
        if not self._room():
            self._wait()
        return ()

    def resume(self, now: float) -> None:
        """Give out what waits, and listen again if there is anybody to give to."""
        self._now = now
        waiting, self._waiting = self._waiting, []
        self._give(waiting)
        if self._is_closed:
            if not len(self._rota):
                arrivals.turn_away(self._waiting)
                self._waiting.clear()
            self._lanes.listen()
            return
        served = self._crew.served()
        self._queues.steer(served)
        if not len(self._rota):
            self._queues.ignore()
            self._lanes.ignore()
        elif not self._waiting:
            self._own_line[Field.WAITING] = 0
            self._queues.take(served)
            self._lanes.listen()

    def next_check(self) -> float | None:
        """When `check` has something to look at; None: not before the next connection."""
        return self._check_at

    def check(self, now: float) -> list[Misbehaved]:
        """Look after workers if it is time; tell of those that were found to be at fault."""
        if self._check_at is not None and now >= self._check_at:
            self._check_at = None
            self._examine(now)
        return self._crew.take_blamed()

    def _examine(self, now: float) -> None:
        """See whether workers take what they were given; take back what a stuck one didn't."""
        self._waiting += self._crew.examine(now)
        if self._crew.are_owed():
            self._check_by(now + STUCK_AFTER / 2)
        self.resume(now)
        if self._queues.are_workers and not self._is_closed:
            self._watch_over(now)

    def close(self, now: float) -> None:
        """Give out all that the kernel has accepted, then refuse new connections for good.

        What waits in a socket that somebody else opened is not ours any more: it may be kept for
        whoever is started next.
        """
        for recipient in self._crew:
            recipient.account.unlimit()
        self._waiting += self._lanes.empty()
        self.resume(now)
        self._queues.ignore()
        for listener in self._listeners:
            while not listener.is_inherited and (rest := self._take(listener, ACCEPT_BATCH)):
                self._give(rest)
            listener.close()
        self._is_closed = True
        self._lanes.listen()

    # -- giving --------------------------------------------------------------

    def _room(self) -> int:
        """How many more connections may be accepted in this turn."""
        if not self._most:
            return ACCEPT_BATCH
        taken = len(self._waiting) + self._crew.load(self._now)
        return min(ACCEPT_BATCH, max(0, self._most - taken))

    def _take(self, listener: Listener, most: int) -> list[Connection]:
        accepted, error = arrivals.take(listener, most)
        if error is not None:
            self._refused(error)
        return accepted

    def _receive_back(self, recipient: Recipient, now: float) -> list[Misbehaved]:
        """Take what a worker hands back, as much as comes at once, and give it to its heir."""
        self._now = now
        slot = recipient.account.slot
        back = None if self._rota.can_wait(slot, self._look) else self._lanes.receive(recipient)
        if back is None:
            self._lanes.ignore()
            self._check_by(now + LOOK_AGAIN)
            return []
        if isinstance(back, Misbehaved):
            return [back]
        self._waiting += back
        self.resume(now)
        return []

    def _give(self, connections: list[Connection]) -> None:
        parcels, rest = self._rota.deal(connections, self._look)
        self._waiting += rest  # nobody has room for these
        for (id, address, _), batch in parcels.items():
            recipient = self._crew[id]
            self._waiting += recipient.send(address, batch, self._now)
            if recipient.is_shut:  # or it would be given the same again; its death follows
                self._rota.leave(id)
                self._crew.blame(recipient)
            self._check_by(self._now + STUCK_AFTER)
        if self._waiting:
            self._wait()

    def _look(self, account: Account) -> None:
        self._crew[account.id].look(self._now)

    # -- listening -----------------------------------------------------------

    def _refused(self, error: OSError) -> None:
        if error.errno in arrivals.EXHAUSTED:
            self._trouble.tell(self._now, reason=error.strerror)
            self._wait()
        # else: the client was gone before we took it (ECONNABORTED and its kin, accept(2))

    def _wait(self) -> None:
        """Leave new connections in the kernel's backlog until somebody has room."""
        self._queues.ignore()
        if self._waiting:  # else it is their number that is too high, which a move doesn't change
            self._lanes.ignore()
        self._own_line[Field.WAITING] = 1
        if len(self._rota) or self._is_closed:  # else the next to join gets them
            self._check_by(self._now + LOOK_AGAIN)

    def _watch_over(self, now: float) -> None:
        """Look again soon while connections come to workers' own queues, else when one comes."""
        if self._crew.are_quiet(now):
            self._queues.hang_bell()
        else:
            self._check_by(now + LOOK_OVER)

    def _look_over(self, now: float) -> tuple[()]:
        self._check_by(now)  # `check` follows in the same turn
        return ()

    def _check_by(self, when: float) -> None:
        if self._check_at is None or when < self._check_at:
            self._check_at = when
