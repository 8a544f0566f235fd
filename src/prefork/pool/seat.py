"""The pool processes as one worker sees them: the lines to them, what they run, which are free."""

import os
import signal
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

from prefork.pool import line
from prefork.pool.job import Job
from prefork.pool.line import TICKET
from prefork.wire import signalling, stream
from prefork.wire.board import Field, Line
from prefork.wire.descriptors import close_all
from prefork.wire.messages import PoolLine


class Seat:
    """One process. *jobs*: those that it was given, by number: one, unless it was to run more."""

    def __init__(self, message: PoolLine, sock: socket.socket, handle: int | None, board: Line):
        """*handle*: its pidfd, where the system has such. *board*: its line of that."""
        self.id = message.id
        self.slot = message.slot
        self.pid = message.pid
        self.board = board
        self.line = line.Line(sock)
        self.jobs: dict[int, Job] = {}
        self.is_parted = False  # nobody listens to it any more
        self._handle = handle

    @classmethod
    def of(cls, message: PoolLine, given: list[int], board: Line) -> "Seat":
        """*given*: the descriptors that came with it."""
        handle = given[1] if message.has_handle else None
        return cls(message, stream.adopt_pair_end(given[0]), handle, board)

    def offers(self, ticket: int) -> bool:
        """Whether that offer stands. If not, another does, or will: the ticket is of no use."""
        return not self.is_parted and self.board[Field.OFFER] == ticket

    def __str__(self) -> str:
        return f"pool process {self.slot} (pid {self.pid})"

    def signal(self) -> None:
        """Have it look at its line. One that has exited is found out elsewhere."""
        if self.is_parted:
            return  # its pid may be another's
        with suppress(ProcessLookupError):
            if self._handle is None:
                os.kill(self.pid, signalling.CANCEL)
            else:
                signal.pidfd_send_signal(self._handle, signalling.CANCEL)

    def close(self) -> None:
        self.is_parted = True
        self.line.close()
        if self._handle is not None:
            close_all([self._handle])
            self._handle = None


class Seats:
    """Those that live, and the tickets of those that are free."""

    def __init__(self) -> None:
        self._seats: dict[int, Seat] = {}  # by id of the process
        self._early: dict[int, int] = {}  # tickets of processes that we have no line to yet, by id
        self._gone: deque[int] = deque(maxlen=1000)  # ids of the latest that have exited
        self.tickets: int | None = None  # descriptor of the pipe; None: it was not given to us yet

    def __len__(self) -> int:
        return len(self._seats)

    @property
    def are_there(self) -> bool:
        """Whether there are any; with the tickets we have lines to all that were ready."""
        return self.tickets is not None and bool(self._seats)

    def __iter__(self) -> Iterator[Seat]:
        return iter(list(self._seats.values()))

    def add(self, seat: Seat) -> int | None:
        """Count one more; return its ticket, if that has come before."""
        self._seats[seat.id] = seat
        return self._early.pop(seat.id, None)

    def remove(self, id: int) -> Seat | None:
        """It has exited."""
        self._gone.append(id)
        self._early.pop(id, None)
        return self._seats.pop(id, None)

    def take_free(self) -> tuple[Seat, int] | None:
        """Take the ticket of one that lives; None: there is none."""
        while self.tickets is not None:
            try:
                id, ticket = TICKET.unpack(os.read(self.tickets, TICKET.size))
            except BlockingIOError:
                return None
            seat = self._seats.get(id)
            if seat is not None and seat.offers(ticket):
                return seat, ticket
            has_line = seat is not None and not seat.is_parted
            if not has_line and id not in self._gone:  # it gets one, perhaps anew
                self._early[id] = ticket
        return None
