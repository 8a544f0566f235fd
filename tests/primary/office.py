"""The primary's posts, and workers that are only the other ends of their channels and lines."""

import selectors
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from prefork.core.facts import Fact
from prefork.core.process import Role
from prefork.primary.children import Child, Children
from prefork.primary.conversation import Conversation
from prefork.primary.mailboxes import Mailboxes
from prefork.primary.posts import Posts, Said
from prefork.primary.questions import Answer
from prefork.wire import channel
from prefork.wire.channel import Channel
from prefork.wire.letters import Kind, Letter
from prefork.wire.messages import Introduce
from prefork.wire.post import Post, decode, encode


class Office:
    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.children = Children(range(1, 16))
        talk = Conversation(self.children, self.selector, lambda *_: iter(()))
        self.now = 100.0
        mailboxes = Mailboxes(self.children, self.selector, talk.say, lambda: self.now)
        self.posts = Posts(mailboxes, lambda: self.now)
        self.posts.received = self._receive
        self.posts.mailboxes.drained = lambda child: self.drained.append(child.id)
        self._talk = talk
        self.heard: list[tuple[int, Said]] = []  # by whom
        self.drained: list[int] = []  # who
        self.answers: list[Answer] = []
        self.channels: dict[int, Channel] = {}  # the workers' ends, by id
        self._opened: list[Post] = []

    def hire(self, role: Role = Role.WORKER) -> Child:
        id = len(self.channels) + 1
        ours, theirs = channel.pair()
        child = Child(
            id,
            role,
            1,
            self.children.take_line(),
            Channel(ours, is_trusted=False),
            id - 1,
            pid=1000 + id,
        )
        self.children.add(child)
        self.channels[id] = Channel(theirs)
        self._talk.begin(child)
        return child

    def line_of(self, child: Child) -> Post:
        """Take the worker's end, which comes on its channel."""
        said = self.channels[child.id].receive()
        assert said == [Introduce("post")], said
        [descriptor] = self.channels[child.id].claim(1)
        self._opened.append(Post(socket.socket(fileno=descriptor)))
        return self._opened[-1]

    def lay(self, child: Child) -> Post:
        """Have the worker want a line; return its end."""
        assert list(self.posts.mailboxes.want(child, self.now)) == []
        return self.line_of(child)

    def turn(self) -> list[Fact]:
        """One turn of the primary's loop."""
        facts: list[Fact] = []
        for key, _ in self.selector.select(0):
            facts += key.data(self.now)
        return facts + list(self.posts.check(self.now))

    def turns(self, count: int) -> list[Fact]:
        return [fact for _ in range(count) for fact in self.turn()]

    def values(self) -> list[object]:
        """What was heard, since it was asked last."""
        heard, self.heard = self.heard, []
        return [said.value for _, said in heard]

    def bury(self, child: Child) -> None:
        """As the host does with who is dead."""
        self.posts.bury(child)
        self._talk.end(child)
        child.close()
        self.children.remove(child)

    def close(self) -> None:
        for child in self.children:
            self.bury(child)
        ends: list[Channel | Post] = [*self.channels.values(), *self._opened]
        for each in ends:
            each.close()
        self.selector.close()

    def _receive(self, child: Child, said: Said) -> None:
        self.heard.append((child.id, said))


def tell(line: Post, value: object, descriptors: list[int] | None = None) -> bool:
    """Send a message as a worker does."""
    return line.send(Kind.MESSAGE, 0, encode(value), descriptors or [])


def told(line: Post) -> list[object]:
    """What came to a worker, decoded."""
    return [decode(letter.payload) for letter in letters(line)]


def letters(line: Post) -> list[Letter]:
    read: list[Letter] = []
    while batch := line.receive():
        read += batch
    return read


@contextmanager
def office() -> Iterator[Office]:
    it = Office()
    try:
        yield it
    finally:
        it.close()
