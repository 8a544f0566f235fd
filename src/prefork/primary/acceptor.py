"""Takes connections off the listeners, gives them out in turn, and takes them back."""

import errno
import os
import selectors
import socket
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from prefork import log
from prefork.policy.ledger import STUCK_AFTER, Account
from prefork.policy.rotation import Rotation
from prefork.primary import listeners as listening
from prefork.primary.children import Child
from prefork.wire import handover
from prefork.wire.board import Board, Field

ACCEPT_BATCH = 32  # per turn of the loop: signals and channels get theirs
COMPLAIN_EVERY = 60.0  # seconds
LOOK_AGAIN = 0.01  # seconds; only while connections wait for a worker with room
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

Waiting = tuple[int, int]  # listener's number, descriptor


class Acceptor:
    """Owns the listeners, and every connection that is in no worker's hands.

    *accepts*: take connections ourselves (`rr`); else workers do, and this one only distributes
    what is left when the listeners close.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        board: Board,
        selector: selectors.BaseSelector,
        *,
        accepts: bool,
    ) -> None:
        self._listeners = listeners
        self._board = board
        self._own_line = board.line(0)
        self._selector = selector
        self._accepts = accepts
        self._is_listening = False
        self._is_closed = False
        self._rotation = Rotation()
        self._workers: dict[int, tuple[Account, Child]] = {}  # by id; also those told to stop
        self._waiting: deque[Waiting] = deque()
        self._check_at: float | None = None
        self._complain_at = 0.0  # not before, about the same want
        self._now = 0.0

    # -- members -------------------------------------------------------------

    def join(self, child: Child, now: float) -> None:
        """Put a worker that is ready into rotation."""
        account = Account(child.id, child.slot or 0)
        self._workers[child.id] = account, child
        self._look(account, child)
        self._rotation.join(account)
        self.resume(now)

    def leave(self, child: Child) -> None:
        """Give the worker nothing more. What it was given stays its own while it takes it."""
        self._rotation.leave(child.id)

    def bury(self, child: Child, now: float) -> int:
        """Take back what a dead worker had not taken, and give it to others.

        Returns how many it had taken and not come to count: killed between the two, it may have.
        """
        self._rotation.leave(child.id)
        uncounted = 0
        if child.id in self._workers:
            account, _ = self._workers.pop(child.id)
            self._now = now
            self._look(account, child)
            if taken := self._take_back(account, child):
                log.info("connections_taken_back", slot=child.slot, connections=taken)
            uncounted = account.undelivered
        self.resume(now)
        return uncounted

    # -- work ----------------------------------------------------------------

    def accept(self, number: int, now: float) -> tuple[()]:
        """Take a batch from listener *number* and give it out. No fact for the core comes of it."""
        self._now = now
        self._give(self._take(number))
        return ()

    def resume(self, now: float) -> None:
        """Give out what waits, and listen again if there is anybody to give to."""
        self._now = now
        waiting, self._waiting = self._waiting, deque()
        self._give(waiting)
        if self._is_closed:
            if not len(self._rotation):
                self._dismiss()
        elif not self._waiting and len(self._rotation):
            self._listen()

    def next_check(self) -> float | None:
        """When `check` has something to look at; None: not before the next connection."""
        return self._check_at

    def check(self, now: float) -> None:
        """Look whether workers take what they were given; take back what a stuck one didn't."""
        if self._check_at is None or now < self._check_at:
            return
        self._now = now
        self._check_at = None
        for account, child in self._workers.values():
            if account.undelivered:
                self._look(account, child)
                if account.judge(now):
                    taken = self._take_back(account, child)
                    log.warning(
                        "worker_stuck", slot=child.slot, pid=child.pid, connections_taken_back=taken
                    )
                if account.undelivered:
                    self._check_by(now + STUCK_AFTER / 2)
        self.resume(now)

    def close(self, now: float) -> None:
        """Give out all that the kernel has accepted, then refuse new connections for good."""
        self._now = now
        for account, _ in self._workers.values():
            account.credit = 2**31  # whoever waits now is served: the window is for steady state
        self.resume(now)
        for number in range(len(self._listeners)):
            while accepted := self._take(number):
                self._give(accepted)
        self._ignore()
        listening.close(self._listeners)
        self._is_closed = True

    def _dismiss(self) -> None:
        """Nobody is left to serve what still waits: say so, rather than cut it."""
        while self._waiting:
            _, descriptor = self._waiting.popleft()
            with socket.socket(fileno=descriptor) as connection, suppress(OSError):
                connection.setblocking(False)
                connection.send(_BUSY)
                connection.shutdown(socket.SHUT_WR)

    # -- giving --------------------------------------------------------------

    def _take(self, number: int) -> list[Waiting]:
        listener = self._listeners[number]
        accepted: list[Waiting] = []
        try:
            while len(accepted) < ACCEPT_BATCH:
                # accept() would wrap each descriptor in an object that we only unwrap again
                accepted.append((number, listener._accept()[0]))  # type: ignore[attr-defined]
        except BlockingIOError:
            pass  # that was all
        except OSError as error:
            self._refused(error)
        return accepted

    def _give(self, connections: Sequence[Waiting]) -> None:
        batches: dict[tuple[int, int], list[int]] = {}  # by worker's id and listener's number
        for place, (number, descriptor) in enumerate(connections):
            account = self._rotation.pick(self._look_again)
            if account is None:
                self._waiting.extend(list(connections)[place:])
                break
            batches.setdefault((account.id, number), []).append(descriptor)
        for (id, number), descriptors in batches.items():
            for start in range(0, len(descriptors), handover.MAX_BATCH):
                self._send(id, number, descriptors[start : start + handover.MAX_BATCH])
        if self._waiting:
            self._wait()

    def _send(self, id: int, number: int, descriptors: list[int]) -> None:
        account, child = self._workers[id]
        assert child.handover is not None
        if handover.send(child.handover, number, descriptors):
            account.offered(len(descriptors), self._now)
            for descriptor in descriptors:
                os.close(descriptor)
            self._check_by(self._now + STUCK_AFTER)
        else:
            account.refused(len(descriptors))
            self._waiting.extend((number, descriptor) for descriptor in descriptors)

    def _take_back(self, account: Account, child: Child) -> int:
        assert child.kept is not None
        taken = 0
        while (batch := handover.receive(child.kept)) is not None:
            self._waiting.extend((batch.listener, each) for each in batch.descriptors)
            taken += batch.sent
        account.taken_back(taken)
        return taken

    def _look_again(self, account: Account) -> None:
        self._look(account, self._workers[account.id][1])

    def _look(self, account: Account, child: Child) -> None:
        line = self._board.line(child.line)
        room = line[Field.CAPACITY] - line[Field.CONNECTIONS]
        account.observe(line[Field.RECEIVED], line[Field.BEAT], room, self._now)

    # -- listening -----------------------------------------------------------

    def _refused(self, error: OSError) -> None:
        if error.errno in _EXHAUSTED:
            if self._now >= self._complain_at:
                log.warning("accept_failed", reason=error.strerror)
                self._complain_at = self._now + COMPLAIN_EVERY
            self._wait()
        # else: the client was gone before we took it (ECONNABORTED and its kin, accept(2))

    def _wait(self) -> None:
        """Leave new connections in the kernel's backlog until somebody has room."""
        self._ignore()
        self._own_line[Field.WAITING] = 1
        if len(self._rotation):  # else the next to join gets them
            self._check_by(self._now + LOOK_AGAIN)

    def _listen(self) -> None:
        self._own_line[Field.WAITING] = 0
        if self._accepts and not self._is_listening:
            for number, listener in enumerate(self._listeners):
                self._selector.register(
                    listener, selectors.EVENT_READ, partial(self.accept, number)
                )
            self._is_listening = bool(self._listeners)

    def _ignore(self) -> None:
        if self._is_listening:
            for listener in self._listeners:
                self._selector.unregister(listener)
            self._is_listening = False

    def _check_by(self, when: float) -> None:
        if self._check_at is None or when < self._check_at:
            self._check_at = when
