"""What has arrived on a connection and is not parsed yet, since nobody needs it yet.

One read may hold ten thousand pipelined requests. As objects they take fifty times their bytes, and
parsing them takes the time of a thousand others; so a large read is parsed in slices, and the rest
waits as it came while there are requests to answer.
"""

from typing import Generic, TypeVar

from prefork.http.exchange import Exchange

E = TypeVar("E", bound=Exchange)

SLICE = 4096  # bytes; the shortest request has 25
ENOUGH = 2  # requests that are ready: one to be begun, and one by which it is seen that more wait
NOTHING = memoryview(b"")


class Backlog(Generic[E]):
    """The part of a connection that says how much is parsed.

    While anything waits there is a request in `ready`.
    """

    __slots__ = ("_at_once", "ended", "ready", "waiting")

    def __init__(self) -> None:
        self.ready: list[E] = []  # a deque would take 700 bytes on every idle connection
        self.waiting = NOTHING
        self.ended = False  # what arrives now is not parsed
        self._at_once = SLICE  # what is longer is parsed in slices; -1 while anything waits

    def feed(self, data: bytes | memoryview) -> None:
        """Parse what arrived."""
        raise NotImplementedError

    def go_on(self) -> None:
        """Parse of what waits as much as makes `ready` ENOUGH, where there is so much."""
        rest, self.waiting = self.waiting, NOTHING
        self._at_once = len(rest)
        while rest and not self.ended and len(self.ready) < ENOUGH:
            size = max(SLICE, self._announced())
            self.feed(rest[:size])
            rest = rest[size:]
        if self.ended:
            self._pass_on(rest)
        waits = bool(rest) and not self.ended
        self.waiting = rest if waits else NOTHING
        self._at_once = -1 if waits else SLICE

    def _slice(self, data: bytes | memoryview) -> None:
        """Take what isn't parsed as it comes: it is large, or others wait, or nothing is parsed."""
        if self.ended:
            self._pass_on(data)
            return
        self.waiting = memoryview(b"".join((self.waiting, data)) if self.waiting else data)
        self.go_on()

    def _pass_on(self, data: bytes | memoryview) -> None:
        """See what follows the last request."""
        raise NotImplementedError

    def _announced(self) -> int:
        """How many bytes are certain to be of the current body, and make no request."""
        raise NotImplementedError
