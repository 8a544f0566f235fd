"""How long an application may still wait for a body that arrives slowly."""

from prefork.http.exchange import Exchange

GRACE = 5.0  # seconds before the first byte has to be there; as Kestrel's MinRequestBodyDataRate
MOST = 60.0  # seconds of silence that what came before can buy; nginx's client_body_timeout


class Pace:
    """The pace of one request's body. Only time that the application waits for it counts.

    Each byte buys 1/*rate* seconds. An average over the whole body would let a client that began
    fast be silent for hours.
    """

    __slots__ = ("_credited", "_left", "_rate", "_since", "due", "of")

    def __init__(self, of: Exchange, rate: int) -> None:
        self.of = of
        self.due = float("inf")  # when the application will have waited for too long
        self._rate = rate  # bytes per second
        self._left = GRACE
        self._credited = 0  # bytes
        self._since = 0.0

    def start(self, now: float) -> None:
        """The application has all that arrived, and waits for more."""
        self.stop(now)
        news = self.of.received - self._credited
        self._credited += news
        self._left = min(self._left + news / self._rate, max(MOST, self._left))
        self._since = now
        self.due = now + self._left

    def stop(self, now: float) -> None:
        """Something arrived."""
        if self.due < float("inf"):
            self._left -= now - self._since
            self.due = float("inf")
