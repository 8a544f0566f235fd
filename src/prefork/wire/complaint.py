"""What goes wrong again and again, and is told once a minute."""

from collections.abc import Callable

from prefork import log

EVERY = 60.0  # seconds; as nginx's and HAProxy's own, it is often enough for who watches a log


class Complaint:
    """One kind of trouble. *level*: of `log`, by which it is said."""

    def __init__(self, event: str, level: Callable[..., None] = log.warning) -> None:
        self._event = event
        self._level = level
        self._next = float("-inf")  # not told before
        self._untold = 0

    def tell(self, now: float, **fields: object) -> None:
        """Say it, with how often it was not said since, unless that was just done."""
        if now < self._next:
            self._untold += 1
            return
        more = {"untold": self._untold} if self._untold else {}
        self._level(self._event, **fields, **more)
        self._next, self._untold = now + EVERY, 0
