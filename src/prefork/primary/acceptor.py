"""Takes connections off listeners, gives them to workers, and takes them back."""

import errno
import selectors
import socket
from contextlib import suppress

from prefork import log
from prefork.policy.dealing import Policy
from prefork.policy.ledger import STUCK_AFTER, Account
from prefork.primary.children import Child
from prefork.primary.crew import Crew
from prefork.primary.listeners import Listener, Listeners
from prefork.primary.queues import Queues
from prefork.primary.recipient import Connection, client_of
from prefork.wire.board import Board, Field
from prefork.wire.complaint import Complaint

ACCEPT_BATCH = 32  # per turn of the loop: signals and channels get theirs
LOOK_OVER = STUCK_AFTER / 4  # seconds; at workers' own queues, only while connections come
LOOK_AGAIN = 0.01  # seconds; only while connections wait for a worker with room
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


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
        self._policy = policy
        self._crew = Crew(board)
        self._own_line = board.line(0)
        self._queues = Queues(listeners, selector, self.accept, self._look_over)
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
        self._policy.join(self._crew.join(child, queues, now))
        if queues:
            self._check_by(now)
        self.resume(now)

    def leave(self, child: Child, now: float) -> None:
        """Give the worker nothing more. What it was given stays its own while it takes it."""
        self._policy.leave(child.id)
        self._crew.leave(child.id)
        self.resume(now)

    def suspend(self, child: Child, now: float) -> None:
        """Give the worker nothing more until it joins again, and what it has not taken to others.

        What waits in a queue that only its slot takes from is ours to accept meanwhile.
        """
        self._waiting += self._crew.relieve(child.id, now)
        self.leave(child, now)

    def bury(self, child: Child, now: float) -> int:
        """Take back what a dead worker had not taken, and give it to others.

        Returns how many it had taken and not come to count: killed between the two, it may have.
        """
        uncounted = 0
        if recipient := self._crew.bury(child.id):
            recipient.look(now)
            back = self._crew.take_back(recipient)
            self._waiting += back
            if recipient.left:
                self._check_by(now + LOOK_AGAIN)
            uncounted = recipient.account.undelivered
            if back:
                log.info("connections_taken_back", slot=child.slot, connections=len(back))
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
            if not len(self._policy):
                self._dismiss()
            return
        served = self._crew.served()
        self._queues.steer(served)
        if not len(self._policy):
            self._queues.ignore()
        elif not self._waiting:
            self._own_line[Field.WAITING] = 0
            self._queues.take(served)

    def next_check(self) -> float | None:
        """When `check` has something to look at; None: not before the next connection."""
        return self._check_at

    def check(self, now: float) -> None:
        """Look whether workers take what they were given; take back what a stuck one didn't."""
        if self._check_at is None or now < self._check_at:
            return
        self._check_at = None
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
        self.resume(now)
        self._queues.ignore()
        for listener in self._listeners:
            while not listener.is_inherited and (rest := self._take(listener, ACCEPT_BATCH)):
                self._give(rest)
            listener.close()
        self._is_closed = True

    def _dismiss(self) -> None:
        """Nobody is left to serve what still waits: say so, rather than cut it."""
        for each in self._waiting:
            with socket.socket(fileno=each.descriptor) as connection, suppress(OSError):
                connection.setblocking(False)
                connection.send(_BUSY)
                connection.shutdown(socket.SHUT_WR)
        self._waiting.clear()

    # -- giving --------------------------------------------------------------

    def _room(self) -> int:
        """How many more connections may be accepted in this turn."""
        if not self._most:
            return ACCEPT_BATCH
        taken = len(self._waiting) + self._crew.load(self._now)
        return min(ACCEPT_BATCH, max(0, self._most - taken))

    def _take(self, listener: Listener, most: int) -> list[Connection]:
        accepted: list[Connection] = []
        try:
            while len(accepted) < most:
                # accept() would wrap each descriptor in an object that we only unwrap again
                descriptor, name = listener.sock._accept()  # type: ignore[attr-defined]
                accepted.append(Connection(listener.address, descriptor, client_of(name)))
        except BlockingIOError:
            pass  # that was all
        except OSError as error:
            self._refused(error)
        return accepted

    def _give(self, connections: list[Connection]) -> None:
        batches: dict[tuple[int, int], list[Connection]] = {}  # by worker's id, address's number
        accounts = self._policy.deal([each.client for each in connections], self._look)
        rest = iter(connections)
        for account, connection in zip(accounts, rest, strict=False):
            batches.setdefault((account.id, connection.address), []).append(connection)
        self._waiting += rest  # nobody has room for these
        for (id, address), batch in batches.items():
            self._waiting += self._crew[id].send(address, batch, self._now)
            self._check_by(self._now + STUCK_AFTER)
        if self._waiting:
            self._wait()

    def _look(self, account: Account) -> None:
        self._crew[account.id].look(self._now)

    # -- listening -----------------------------------------------------------

    def _refused(self, error: OSError) -> None:
        if error.errno in _EXHAUSTED:
            self._trouble.tell(self._now, reason=error.strerror)
            self._wait()
        # else: the client was gone before we took it (ECONNABORTED and its kin, accept(2))

    def _wait(self) -> None:
        """Leave new connections in the kernel's backlog until somebody has room."""
        self._queues.ignore()
        self._own_line[Field.WAITING] = 1
        if len(self._policy):  # else the next to join gets them
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
