"""Offers to this worker alone that it has no task for yet: given back, where none comes at once."""

import asyncio
from collections.abc import Callable

from prefork.pool.seat import Seat

Offer = tuple[Seat, int]  # and its ticket
FOR = 0.001  # seconds, to twice that


class Kept:
    """*give_back*: for others, who wait while we keep it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, give_back: Callable[[Seat, int], None]
    ) -> None:
        self._loop = loop
        self._give_back = give_back
        self._offers: list[Offer] = []
        self._old = 0  # how many of them were there when we looked last
        self._timer: asyncio.TimerHandle | None = None

    def keep(self, seat: Seat, ticket: int) -> None:
        self._offers.append((seat, ticket))
        if self._timer is None:
            self._timer = self._loop.call_later(FOR, self._look)

    def take(self) -> Offer | None:
        """Take the latest that stands, whose process is still awake; None: there is none."""
        while self._offers:
            seat, ticket = self._offers.pop()
            if len(self._offers) < self._old:
                self._old -= 1
            if seat.offers(ticket):
                return seat, ticket
        return None

    def _look(self) -> None:
        old = self._offers[: self._old]
        del self._offers[: self._old]
        for seat, ticket in old:
            self._give_back(seat, ticket)
        self._old = len(self._offers)
        self._timer = self._loop.call_later(FOR, self._look) if self._offers else None

    def close(self) -> None:
        self._offers.clear()
        if self._timer is not None:
            self._timer.cancel()
