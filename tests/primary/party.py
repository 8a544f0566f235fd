"""The primary's side of lines, and children that are only the other ends of their channels."""

import errno
import gc
import os
import selectors
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from prefork.core.facts import Fact
from prefork.core.process import Role
from prefork.primary.children import Child, Children
from prefork.primary.conversation import Conversation
from prefork.wire import channel
from prefork.wire.channel import Channel
from prefork.wire.descriptors import close_all
from prefork.wire.messages import Admit, FromPrimary

LINES = 16  # of the board


class Party:
    """Who lays the lines is a subclass's."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.children = Children(range(1, LINES))
        self._talk = Conversation(self.children, self._selector, lambda *_: iter(()))
        self._ends: dict[int, Channel] = {}  # theirs, by id
        self._taken: list[socket.socket] = []
        self.told: list[tuple[int, str]] = []  # whom what was said, in its order
        self.refuses: Child | None = None  # to whom no descriptor can be sent now

    def add(self, role: Role, generation: int = 1, pid: int | None = None) -> Child:
        id = len(self._ends) + 1
        ours, theirs = channel.pair()
        line, said = self.children.take_line(), Channel(ours, is_trusted=False)
        child = Child(id, role, generation, line, said, pid=pid or 1000 + id)
        self.children.add(child)
        self._ends[id] = Channel(theirs)
        self._talk.begin(child)
        return child

    def deafen(self, child: Child) -> None:
        """Say to it, who does not read, as much as the kernel takes, and more."""
        while not child.channel.has_unsent:
            self._talk.say(child, Admit())

    def heard(self, child: Child) -> list[object]:
        return list(self._ends[child.id].receive())

    def claim(self, child: Child, count: int) -> list[int]:
        """Return the descriptors that came to it with one message."""
        return self._ends[child.id].claim(count)

    def take(self, child: Child) -> socket.socket:
        """Return the line whose end was sent to it."""
        [descriptor] = self.claim(child, 1)
        return self.line(descriptor)

    def line(self, descriptor: int) -> socket.socket:
        """Return the line of which this is an end."""
        self._taken.append(socket.socket(fileno=descriptor))
        return self._taken[-1]

    def dismiss(self, child: Child) -> None:
        """Close what we had of it."""
        self._talk.end(child)
        child.close()
        self.children.remove(child)

    def close(self) -> None:
        for child in list(self.children):
            self.dismiss(child)
        opened: list[Channel | socket.socket] = [*self._ends.values(), *self._taken]
        for each in opened:
            each.close()
        self._selector.close()

    def say(
        self, child: Child, message: FromPrimary, descriptors: list[int] | None = None
    ) -> list[Fact]:
        if child is self.refuses and descriptors:
            # As `Channel.send` does, when too many are on their way.
            close_all(descriptors)
            raise OSError(errno.ETOOMANYREFS, os.strerror(errno.ETOOMANYREFS))
        self.told.append((child.id, type(message).__name__))
        return self._talk.say(child, message, descriptors)


P = TypeVar("P", bound=Party)


@contextmanager
def thrown(make: type[P]) -> Iterator[P]:
    """A party that leaves no descriptor."""
    gc.collect()  # what tests before left, and would be closed meanwhile
    before = len(os.listdir("/proc/self/fd"))
    it = make()
    yield it
    it.close()
    assert len(os.listdir("/proc/self/fd")) == before, "a descriptor is left"
