"""What the bus needs of whatever carries it: the small contract of all engines."""

from dataclasses import dataclass, field
from itertools import count
from random import SystemRandom
from typing import Protocol

from prefork.bus.envelope import Frame, Kind, encode

# By what a channel begins with is told what it is for; a topic may be any text.
MESSAGES = b"prefork:"
REQUESTS = b"prefork-ask:"
ANSWERS = b"prefork-answer:"
NOTICES = b"prefork-here:"  # of who responds to the requests on the same topic


@dataclass(slots=True)
class Identity:
    """Who sends: by *name* for people, by *sender* for processes, which nobody else has."""

    name: str
    sender: int = field(default_factory=lambda: SystemRandom().getrandbits(63) | 1)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def frame(self, kind: Kind, channel: bytes, payload: bytes) -> tuple[int, bytes]:
        """Make the next frame; returns its number too. Raises ValueError where it is too large."""
        number = next(self._numbers)
        return number, encode(kind, self.sender, number, channel, payload)


class Receiver(Protocol):
    """What an engine tells."""

    def deliver(self, frame: Frame) -> None:
        """Somebody, possibly we, published this."""

    def gone(self, name: str) -> None:
        """Who has this name will answer nothing any more."""

    def gap(self, reason: str) -> None:
        """What was published in the meantime was not seen here."""


class Engine(Protocol):
    """Carries frames. What can be awaited is done then, and raises BusError where it can't be."""

    async def subscribe(self, channel: bytes) -> None:
        """Get what is published there from now on; a second time changes nothing."""

    def unsubscribe(self, channel: bytes) -> None:
        """Get it no more, but for what is on its way."""

    async def respond(self, channel: bytes) -> None:
        """Subscribe, and be one of those that `ask` names."""

    async def publish(self, channel: bytes, payload: bytes) -> None:
        """Give it to all who subscribed. Returns when it lies ready for each of them."""

    async def ask(self, channel: bytes, payload: bytes) -> list[str]:
        """Do the same; returns the names of those who got it, or should have."""

    async def close(self) -> None:
        """Take leave."""
