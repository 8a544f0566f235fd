"""Offers that nobody has a task for yet."""

import os
import socket
import time
from collections.abc import Iterator

import pytest

from prefork.pool import process
from prefork.pool.kept import FOR, Kept
from prefork.pool.seat import Seat
from prefork.wire.board import Board, Field
from prefork.wire.messages import PoolLine

SECOND = 1_000_000_000  # nanoseconds


@pytest.fixture
def seats() -> Iterator[list[Seat]]:
    """Three, of which each stands by an offer of its own id."""
    board, made = Board(4), []
    for id in (1, 2, 3):
        ours, theirs = socket.socketpair()
        theirs.close()
        line = board.line(id)
        line[Field.OFFER] = id
        message = PoolLine(id, id, os.getpid(), id, has_handle=False)
        made.append(Seat(message, ours, None, line))
    yield made
    for seat in made:
        seat.close()
    board.close()


def test_the_latest_that_stands_is_taken_first(seats: list[Seat]) -> None:
    kept, now = Kept(), time.monotonic_ns() + 60 * SECOND
    for seat in seats:
        kept.keep(seat, seat.id, now)
    seats[1].board[Field.OFFER] = 7  # another offer stands there
    assert kept.take() == (seats[2], 3)
    assert kept.take() == (seats[0], 1)
    assert kept.take() is None


def test_one_that_came_again_is_the_latest_and_there_but_once(seats: list[Seat]) -> None:
    kept, now = Kept(), time.monotonic_ns() + 60 * SECOND
    for seat in (*seats, seats[0]):
        kept.keep(seat, seat.id, now)
    assert [kept.take() for _ in range(4)] == [(seats[n], n + 1) for n in (0, 2, 1)] + [None]


def test_one_that_is_old_is_of_no_use(seats: list[Seat]) -> None:
    kept, now = Kept(), time.monotonic_ns()
    kept.keep(seats[0], 1, now - FOR)
    assert kept.take() is None
    kept.keep(seats[0], 1, now + 60 * SECOND)
    assert kept.take() == (seats[0], 1)


def test_a_process_waits_for_longer_than_its_offer_is_used() -> None:
    assert process.BRIEFLY * SECOND >= 2 * FOR
