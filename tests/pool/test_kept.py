"""Offers that nobody has a task for yet."""

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest

from prefork.pool.kept import FOR, Kept, Offer
from prefork.pool.seat import Seat
from prefork.wire.board import Board, Field
from prefork.wire.messages import PoolLine


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


class Rig:
    def __init__(self) -> None:
        self.given_back: list[Offer] = []
        self.kept = Kept(asyncio.get_running_loop(), lambda *offer: self.given_back.append(offer))

    async def until_given_back(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.given_back) < count:  # noqa: ASYNC110 - there is no event but the timer
                await asyncio.sleep(FOR)


@pytest.mark.anyio
async def test_the_latest_that_stands_is_taken_first(seats: list[Seat]) -> None:
    kept = Rig().kept
    for seat in seats:
        kept.keep(seat, seat.id)
    seats[1].board[Field.OFFER] = 7  # another offer stands there
    assert kept.take() == (seats[2], 3)
    assert kept.take() == (seats[0], 1)
    assert kept.take() is None
    kept.close()


@pytest.mark.anyio
async def test_what_is_not_taken_is_given_back_and_what_is_taken_is_not(seats: list[Seat]) -> None:
    rig = Rig()
    for seat in seats:
        rig.kept.keep(seat, seat.id)
    assert rig.kept.take() == (seats[2], 3)
    await rig.until_given_back(2)
    assert rig.given_back == [(seats[0], 1), (seats[1], 2)]
    assert rig.kept.take() is None
    rig.kept.keep(seats[2], 3)
    await rig.until_given_back(3)
    assert rig.given_back[2:] == [(seats[2], 3)]


@pytest.mark.anyio
async def test_one_that_came_again_has_its_time_anew(seats: list[Seat]) -> None:
    rig = Rig()
    for _ in range(50):
        rig.kept.keep(seats[0], 1)
        await asyncio.sleep(FOR / 4)
        if rig.kept.take() is None:
            rig.given_back.pop()  # the loop was held up
    assert rig.given_back == []


@pytest.mark.anyio
async def test_once_closed_nothing_is_given_back(seats: list[Seat]) -> None:
    rig = Rig()
    rig.kept.keep(seats[0], 1)
    rig.kept.close()
    await asyncio.sleep(5 * FOR)
    assert rig.given_back == []
