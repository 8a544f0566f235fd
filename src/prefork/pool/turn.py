"""One task in a process of the pool: how it is run, interrupted, and answered."""

import select
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from prefork.pool import codec
from prefork.pool.codec import EMPTY, Parcel
from prefork.pool.engine import WINDOW
from prefork.pool.errors import RemoteError, TaskCancelled
from prefork.pool.line import SHORTLY, Frame, Kind, Line
from prefork.wire import label
from prefork.wire.board import Field
from prefork.wire.descriptors import HasFileno
from prefork.wire.timings import Timings

Answer = tuple[int, Parcel]  # kind of the frame, and what is in it


LOOK_AGAIN = 0.05  # seconds: a signal's handler may have read what is waited for


def wait_for(line: HasFileno, event: int, longest: float | None = None) -> None:
    """Wait until the line is ready; *longest*: seconds."""
    poll = select.poll()
    poll.register(line, event)
    poll.poll(None if longest is None else longest * 1000)


class Peer:
    """A worker: the line to it, its line of the board, what it has said and is not heeded yet."""

    def __init__(self, id: int, line: Line, board: memoryview) -> None:
        self.id = id
        self.line = line
        self.board = board
        self.inbox: deque[Frame] = deque()
        self.signals = 0  # how many had come when all that it had said was read

    def read(self) -> None:
        """Read once. Raises RemoteError."""
        self.inbox.extend(self.line.receive())

    def drain(self) -> None:
        """Read all that is there. Raises RemoteError."""
        self.inbox.extend(self.line.drain())

    def say(self, kind: int, number: int, parcel: Parcel = EMPTY, *, ticket: int = 0) -> None:
        """Send a frame, and wait until it is sent. Raises OSError for want of memory."""
        self.line.send(kind, number, ticket=ticket, parcel=parcel)
        while self.line.unsent and not self.line.flush():
            if self.line.is_short:
                select.poll().poll(SHORTLY * 1000)  # no event tells when that is over
            else:
                wait_for(self.line, select.POLLOUT)


class Turn:
    """Of the task whose number it has; there is one at a time.

    The signal's handler raises TaskCancelled, once, and only while the task's own code runs.
    """

    def __init__(self, board: memoryview, timings: Timings) -> None:
        self._board = board
        self._timings = timings
        self._peer: Peer | None = None  # whose task it is; None: there is none
        self._number = 0
        self._is_open = False  # the task's own code runs
        self._signals = 0  # how many have come
        self._spent = 0, 0, 0  # nanoseconds: that it waited, and ran; and when it ended
        self._reads = False  # the line is being read, and not to be read by a handler
        self._credit = WINDOW  # items that may yet be sent
        self._labelled = ""  # the name that the board has
        self.is_cancelled = False  # somebody wanted it to end
        self.is_orphaned = False  # nobody is there any more who wants its outcome

    # -- cancelling ----------------------------------------------------------

    def on_signal(self, *_: object) -> None:
        self._signals += 1
        if self._peer is not None and not self._reads:
            self._look(self._peer)

    def _look(self, peer: Peer) -> None:
        """Read what its worker says meanwhile. Raises TaskCancelled in the task's own code.

        Signals that come while it is read, or looked through, have it read again.
        """
        try:
            self._reads = True
            peer.signals = -1
            while peer.signals != self._signals:
                peer.signals = self._signals
                peer.drain()
                self._heed(peer)
        finally:
            self._reads = False
        if self.is_cancelled and self._is_open:
            self._is_open = False
            raise TaskCancelled

    def _heed(self, peer: Peer) -> None:
        for frame in [each for each in peer.inbox if each.number == self._number]:
            if frame.kind == Kind.TOOK:
                self._credit += frame.ticket
            elif frame.kind == Kind.CANCEL:
                self.is_cancelled = True
            peer.inbox.remove(frame)
        if peer.line.is_ended:
            self.is_cancelled = self.is_orphaned = True

    # -- running -------------------------------------------------------------

    def run(self, peer: Peer, frame: Frame) -> Answer:
        """Run a task to its end. Raises SystemExit where that wants the process to end."""
        self.is_cancelled = self.is_orphaned = False
        self._credit = WINDOW
        begun = time.monotonic_ns()
        self._board[Field.TASK_SINCE] = begun
        self._board[Field.TASK] = frame.number
        self._number, self._peer = frame.number, peer
        try:
            if peer.inbox or peer.signals != self._signals:
                self._look(peer)  # it may have been cancelled before it was begun
            if not frame.ticket:
                peer.say(Kind.BEGUN, frame.number)
            answer = self._answer(peer, frame)
        finally:
            self._peer = None
        ended = time.monotonic_ns()
        self._spent = begun - frame.at, ended - begun, ended
        return answer

    def end(self) -> None:
        """Say that it is over: it was answered, and nobody waits for what is done here."""
        self._timings.note(*self._spent)
        self._board[Field.TASKS] += 1
        self._board[Field.TASK] = 0

    def _answer(self, peer: Peer, frame: Frame) -> Answer:
        try:
            try:
                return self._perform(peer, frame)
            finally:
                self._is_open = False
        except TaskCancelled as error:
            self._is_open = False  # it was raised while the line above was about to
            if self.is_cancelled:
                return Kind.CANCELLED, EMPTY
            return Kind.ERROR, _told(error)
        except SystemExit:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is its worker's
            return Kind.ERROR, _told(error)

    def _perform(self, peer: Peer, frame: Frame) -> Answer:
        if self.is_cancelled:
            raise TaskCancelled
        function, args, kwargs = codec.unpack(frame.parcel)
        name = codec.name_of(function)
        if name != self._labelled:
            label.write(self._board, name)
            self._labelled = name
        self._open()
        result = function(*args, **kwargs)
        if frame.kind == Kind.STREAM:
            self._stream(peer, function, iter(result))
            result = None
        self._is_open = False
        return Kind.RESULT, codec.pack_result(function, result)

    def _open(self) -> None:
        self._is_open = True
        if self.is_cancelled:
            self._is_open = False
            raise TaskCancelled

    def _stream(self, peer: Peer, function: Callable[..., Any], items: Iterator[Any]) -> None:
        """Send items as they come, at most WINDOW that are unread."""
        for item in items:
            self._is_open = False
            peer.say(Kind.ITEM, self._number, codec.pack_result(function, item))
            self._credit -= 1
            while self._credit <= 0 and not self.is_cancelled:
                wait_for(peer.line, select.POLLIN, LOOK_AGAIN)
                self._look(peer)
            self._open()


def _told(error: BaseException) -> Parcel:
    """Pack it; where there is no room for all of it, say so."""
    try:
        return codec.pack_error(error, __file__)
    except Exception as failure:  # noqa: BLE001 - a MemoryError, or what its parts raise
        kind = f"{type(error).__name__}, of which more can't be said: {type(failure).__name__}"
        return codec.pack_error(RemoteError(kind))


def exit_code(error: SystemExit) -> int:
    """What the process is to exit with, as the interpreter has it."""
    if isinstance(error.code, str):
        print(error.code, file=sys.stderr)
    code = error.code if isinstance(error.code, int) else int(error.code is not None)
    return code & 0xFF  # what is longer os._exit refuses
