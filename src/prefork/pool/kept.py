"""Offers to this worker alone, that came with an answer: of use if the next task comes at once."""

import time

from prefork.pool.seat import Seat

FOR = 1_000_000  # nanoseconds; the process waits for longer before it offers itself to others


class Kept:
    def __init__(self) -> None:
        self._offers: dict[int, tuple[Seat, int, int]] = {}  # by id: with its ticket, and till when

    def keep(self, seat: Seat, ticket: int, now: int) -> None:
        """*now*: by time.monotonic_ns()."""
        self._offers.pop(seat.id, None)  # or the new one would have the place of the old
        self._offers[seat.id] = seat, ticket, now + FOR

    def take(self) -> tuple[Seat, int] | None:
        """Take the latest that stands, whose process is still awake; None: there is none."""
        while self._offers:
            seat, ticket, until = self._offers.popitem()[1]
            if time.monotonic_ns() < until and seat.offers(ticket):
                return seat, ticket
        return None
