"""A process of the pool: it says that it is free, runs one task at a time, and answers.

What it says and in which order decides whether a task is lost, or run twice, when a process is
killed: it offers itself before it answers, so that who has the answer finds it free; and the board
says which task it runs from before the first line of that to after the answer.
"""

import os
import select
import signal
import time
from collections import deque

from prefork.errors import RemoteError
from prefork.pool import codec
from prefork.pool.codec import Parcel
from prefork.pool.line import CALLS, TICKET, Frame, Kind, Line
from prefork.pool.turn import Peer, Turn, exit_code, wait_for
from prefork.pool.wear import Wear
from prefork.wire import signalling, stream
from prefork.wire.board import Field
from prefork.wire.channel import Channel
from prefork.wire.estate import PoolBirth
from prefork.wire.messages import Idle, Stop, WorkerLine, Worn
from prefork.wire.timings import Timings

# Nanoseconds for which a process that has just answered stays awake for the worker that it offered
# itself to, while nobody else wants its core: to wake it takes longer than a short task, 40 µs on a
# virtual machine.
LOOKOUT = 100_000
# Seconds that a worker has for an offer to it alone, as its event loop may be blocked: one that
# waits, and one that may come again, but uses no offer that is older than a millisecond.
PATIENCE = 0.05
BRIEFLY = 0.003


def serve(birth: PoolBirth, channel: Channel) -> int:
    """Run tasks until told to stop. Returns the exit code."""
    signalling.disregard(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    servant = Servant(birth, channel)
    signal.signal(signalling.CANCEL, servant.turn.on_signal)
    return servant.run()


class Servant:
    def __init__(self, birth: PoolBirth, channel: Channel) -> None:
        settings = birth.estate.settings
        self._id = birth.id
        self._pid = os.getpid()
        self._estate = birth.estate
        self._channel = channel
        self._tickets = birth.tickets
        self._board = birth.estate.board.line(birth.line)
        self.turn = Turn(self._board, Timings.of(birth.timings))
        self._wear = Wear.of(settings)
        self._may_be_idle = settings.pool_min not in (None, settings.pool)
        self._idle_timeout = settings.pool_idle_timeout
        self._peers: dict[int, Peer] = {}  # by descriptor of the line
        self._rota: deque[Peer] = deque()  # whose turn it is to be offered a process comes first
        self._offer = 0  # the number of the latest
        self._is_free = False  # an offer stands
        self._is_unheard = False  # but nobody can read it
        self._promised: Peer | None = None  # it stands for one alone
        self._patience = PATIENCE  # for so long
        self._reason = ""  # why we are worn
        self._waits_for: Peer | None = None  # none stands before that says what it wants
        self._may_stop = False  # told to stop
        self._has_run = False  # a task, since we looked last
        self._poll = select.poll()
        self._poll.register(channel, select.POLLIN)

    def run(self) -> int:
        """Return the exit code: a task's own, where that has ended the process."""
        try:
            return self._run()
        except SystemExit as error:
            return exit_code(error)

    def _run(self) -> int:
        self._offer_again()
        while not self._may_stop:
            ready = self._lookout() or self._poll.poll(self._longest())
            if not ready:
                self._lose_patience()
            for descriptor, event in ready:
                if peer := self._peers.get(descriptor):
                    # What was seen of it is not sure any more, once another's task has run.
                    self._serve(peer, has_hung_up=self._has_run or bool(event & select.POLLHUP))
                elif self._hear():
                    return 1  # the primary is gone
        return 0

    def _lookout(self) -> list[tuple[int, int]]:
        """Look for the next task for a moment, right after one, before we sleep."""
        ready: list[tuple[int, int]] = []
        if self._has_run and self._promised is not None:
            until = time.monotonic_ns() + LOOKOUT
            while not ready and time.monotonic_ns() < until:
                os.sched_yield()
                ready = self._poll.poll(0)
        self._has_run = False
        return ready

    # -- the primary ---------------------------------------------------------

    def _hear(self) -> bool:
        """Heed the primary. Returns whether it is gone."""
        for message in self._channel.receive():
            match message:
                case WorkerLine(id, number):
                    self._meet(id, number)
                case Stop():
                    self._may_stop = True
                case _:
                    raise RemoteError(f"the primary sent {message}")
        return self._channel.is_ended

    def _meet(self, id: int, number: int) -> None:
        """Serve one more worker; of whom we know a line already, that has a new one."""
        try:
            [descriptor] = self._channel.claim(1)
        except OSError:
            return  # too many are open here: the worker sees the end of its line
        for old in [peer for peer in self._rota if peer.id == id]:
            self._part(old)
        line = Line(stream.adopt_pair_end(descriptor))
        peer = Peer(id, line, self._estate.board.line(number))
        self._peers[descriptor] = peer
        self._rota.append(peer)
        self._poll.register(descriptor, select.POLLIN)
        if self._is_free and self._promised is None:
            self._offer_again()  # whoever took our ticket may have died before it knew us

    def _part(self, peer: Peer) -> None:
        self._poll.unregister(peer.line)
        del self._peers[peer.line.fileno()]
        self._rota.remove(peer)
        peer.line.close()
        if self._waits_for is peer:
            self._go_on()
        elif self._is_free and self._promised in (None, peer):
            self._offer_again()  # it may have taken our ticket with it

    def _say(self, message: Worn | Idle) -> None:
        self._channel.send(message)
        while not self._channel.flush():
            wait_for(self._channel, select.POLLOUT)

    # -- offers --------------------------------------------------------------

    def _longest(self) -> float | None:
        """Milliseconds to wait for a worker; None: for as long as it takes."""
        if self._promised is not None or self._is_unheard:
            return self._patience * 1000
        return self._idle_timeout * 1000 if self._may_be_idle else None

    def _lose_patience(self) -> None:
        if self._promised is not None or self._is_unheard:
            self._offer_again()
        elif self._is_free:
            self._say(Idle())

    def _offer_again(self, answered: Peer | None = None, *, comes_again: bool = False) -> int:
        """Say that we are free: to the worker whose turn it is, else to whoever comes first.

        Earlier offers are void by that. *answered*: who is about to get an answer. It has the next
        turn where nobody waits and it *comes_again*. An offer to that one goes along with
        the answer: the ticket is returned, else 0.
        """
        self._offer += 1
        self._board[Field.OFFER] = self._offer
        self._is_free, self._is_unheard = True, False
        self._promised = self._waits_for = None
        self._patience = PATIENCE
        for _ in range(len(self._rota)):
            peer = self._rota[0]
            self._rota.rotate(-1)
            if peer.board[Field.TASKS_WAITING]:
                self._promised = peer
                if peer is answered:
                    return self._offer
                peer.line.send(Kind.OFFER, ticket=self._offer)
                return 0
        if comes_again:
            self._promised, self._patience = answered, BRIEFLY
            return self._offer
        try:
            os.write(self._tickets, TICKET.pack(self._id, self._offer))
        except BlockingIOError:  # full of tickets of the dead, which workers take as they look
            self._is_unheard = True
        return 0

    # -- workers -------------------------------------------------------------

    def _serve(self, peer: Peer, *, has_hung_up: bool = False) -> None:
        """Do what a worker wants, while it is there. Raises RemoteError for what none of ours says.

        What it wanted before it died nobody wants any more, and nobody would end. *has_hung_up*: it
        may have died, so all that it said is read first.
        """
        if has_hung_up:
            peer.drain()
        else:
            peer.read()
        while peer.inbox and not peer.line.is_ended and not self._may_stop:
            frame = peer.inbox.popleft()
            if frame.kind in CALLS:
                self._take(peer, frame)
            elif self._is_declined(frame):
                self._offer_again()
            elif self._is_pardoned(peer, frame):
                self._go_on()
        if peer.line.is_ended and peer.line.fileno() in self._peers:
            self._part(peer)

    def _go_on(self) -> None:
        """Be there for others again, unless we are worn."""
        self._waits_for = None
        if self._reason:
            self._say(Worn(self._reason))
        else:
            self._offer_again()

    def _is_declined(self, frame: Frame) -> bool:
        return frame.kind == Kind.PASS and self._is_free and frame.ticket == self._offer

    def _is_pardoned(self, peer: Peer, frame: Frame) -> bool:
        return frame.kind == Kind.GO_ON and self._waits_for is peer

    def _take(self, peer: Peer, frame: Frame) -> None:
        """Run it, if it came by our latest offer; or wants this very process, and no other."""
        was_free = self._is_free
        if frame.ticket and not (was_free and frame.ticket == self._offer):
            peer.say(Kind.BOUNCED, frame.number)
            return
        self._withdraw()
        kind, parcel = self.turn.run(peer, frame)
        if os.getpid() != self._pid:
            os._exit(0)  # a copy that the task has forked, and let come back
        ticket = self._conclude(peer, was_free, frame.kind == Kind.NEXT)
        self._answer(peer, frame.number, kind, parcel, ticket)
        self.turn.end()
        self._has_run = True

    def _conclude(self, peer: Peer, was_free: bool, comes_again: bool) -> int:
        """See what becomes of us after a task. *was_free*: before it. Returns a ticket for *peer*,
        or 0."""
        self._reason = self._wear.note_task() or self._reason
        if self.turn.is_orphaned:
            self._may_stop = True  # the primary may be about to kill us for it
        elif self.turn.is_cancelled and self._waits_for is None:
            self._waits_for = peer  # likewise the worker, until it says that we are to go on
        elif was_free and self._reason:
            self._say(Worn(self._reason))
        elif was_free:
            return self._offer_again(peer, comes_again=comes_again)
        return 0

    def _withdraw(self) -> None:
        """Be there for nobody: offers that were made are void."""
        self._board[Field.OFFER] = 0
        self._is_free = self._is_unheard = False
        self._promised = None

    def _answer(self, peer: Peer, number: int, kind: int, parcel: Parcel, ticket: int) -> None:
        try:
            peer.say(kind, number, parcel, ticket=ticket)
        except OSError as error:  # there is no memory for it
            peer.say(Kind.ERROR, number, codec.pack_error(error, __file__), ticket=ticket)
