"""The channels of all children, as the primary's loop sees them: what is said there, and heard."""

import selectors
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial

from prefork.core.facts import Fact
from prefork.errors import RemoteError
from prefork.primary import mail
from prefork.primary.children import Child, Children
from prefork.wire.messages import ForHost, FromPrimary, Ready

NEVER_LIVED = "its template did not"  # fork it


class Conversation:
    """*bury*: called with who turns out to have no life."""

    def __init__(
        self,
        children: Children,
        selector: selectors.BaseSelector,
        bury: Callable[[Child, int, float, str], Iterator[Fact]],
    ) -> None:
        self._children = children
        self._selector = selector
        self.heed: Callable[[Child, ForHost, float], Iterable[Fact]] = lambda *_: ()
        self.lost: Callable[[Child], None] = lambda _: None  # called when a channel has ended
        self._bury = bury
        self.interface = ""  # of the application, as it was found first

    def begin(self, child: Child) -> None:
        self._selector.register(
            child.channel, selectors.EVENT_READ, partial(self._hear_child, child)
        )

    def end(self, child: Child) -> None:
        with suppress(KeyError):  # muted already, at its end
            self._selector.unregister(child.channel)

    def say(
        self, child: Child, message: FromPrimary, descriptors: list[int] | None = None
    ) -> list[Fact]:
        try:
            child.channel.send(message, descriptors)
        except RemoteError as error:
            return [mail.blame(child, str(error))]
        self._listen_to(child)
        return []

    def read(self, child: Child, now: float) -> Iterator[Fact]:
        """Tell what it has said."""
        try:
            for message in child.channel.receive():
                if isinstance(message, Ready):
                    self.interface = self.interface or message.interface
                yield from mail.facts(child, message, self._children)
                if isinstance(message, ForHost):
                    yield from self.heed(child, message, now)
        except RemoteError as error:
            yield mail.blame(child, str(error))

    def hear_templates(self, now: float) -> Iterator[Fact]:
        """A pid that is told was told before its process became ours."""
        for template in self._children.templates():
            yield from self.read(template, now)

    def _listen_to(self, child: Child) -> None:
        """Wake for what it says; and for room to write, while something is left to be said."""
        events = selectors.EVENT_READ
        if not child.channel.flush():
            events |= selectors.EVENT_WRITE
        with suppress(KeyError):  # at its end: nobody listens any more
            self._selector.modify(child.channel, events, partial(self._hear_child, child))

    def _hear_child(self, child: Child, now: float) -> Iterator[Fact]:
        """Read what a child says. The end of a channel without a pid: it never lived."""
        if self._children.get(child.id) is not child:
            return  # buried earlier in this batch
        self._listen_to(child)
        yield from self.read(child, now)
        if child.channel.is_ended:
            self.end(child)
            self.lost(child)
            if child.pid is None:
                yield from self.hear_templates(now)
            if child.pid is None:
                yield from self._bury(child, 0, now, NEVER_LIVED)
