"""One task in a process of the pool, as the process itself sees it."""

import os
import pickle
import socket
import time
from collections.abc import Iterator

import pytest
from tests.pool import work

from prefork.pool.codec import Parcel
from prefork.pool.line import Kind, Line
from prefork.pool.turn import Peer, Turn
from prefork.wire.board import Board
from prefork.wire.timings import Timings

READ = 32 * 1024  # bytes of one read
HEAD = 32  # bytes of a frame before its body


class Rig:
    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.board = Board(2)
        self.worker = Line(ours)
        self.peer = Peer(1, Line(theirs), self.board.line(0))
        self.turn = Turn(self.board.line(1), Timings.private(time.monotonic_ns()))

    def call(self, size: int) -> None:
        """Send a call whose frame has so many bytes."""
        body = pickle.dumps((work.give, (b"x",), {}), 5)
        padding = size - HEAD - len(body)
        self.worker.send(Kind.RUN, 7, ticket=1, parcel=Parcel(body + bytes(padding)))


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.worker.close()
    made.peer.line.close()
    made.board.close()


@pytest.mark.parametrize("has_signal", [True, False], ids=["signalled", "not signalled"])
def test_a_task_whose_cancellation_lies_behind_one_read_is_not_begun(
    rig: Rig, has_signal: bool
) -> None:
    """A line is read once for a task, and again only where a signal says that there is more."""
    rig.call(READ)
    rig.worker.send(Kind.CANCEL, 7)
    if has_signal:
        rig.turn.on_signal()
    rig.peer.read()
    assert [frame.kind for frame in rig.peer.inbox] == [Kind.RUN]
    kind, _ = rig.turn.run(rig.peer, rig.peer.inbox.popleft())
    assert kind == (Kind.CANCELLED if has_signal else Kind.RESULT)


def test_a_signal_that_another_line_was_read_for_has_this_one_read_too(rig: Rig) -> None:
    ours, theirs = socket.socketpair()
    other, others = Line(ours), Peer(2, Line(theirs), rig.board.line(0))
    other.send(Kind.RUN, 6, ticket=1, parcel=Parcel(pickle.dumps((os.getpid, (), {}), 5)))
    rig.call(READ)
    rig.worker.send(Kind.CANCEL, 7)
    rig.turn.on_signal()
    for peer in (others, rig.peer):
        peer.read()
    assert rig.turn.run(others, others.inbox.popleft())[0] == Kind.RESULT
    assert rig.turn.run(rig.peer, rig.peer.inbox.popleft())[0] == Kind.CANCELLED
    other.close()
    others.line.close()
