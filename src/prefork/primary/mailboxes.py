"""The primary's ends of its posts to workers, in its loop: letters out, letters in."""

import selectors
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from prefork.core.facts import Fact
from prefork.core.process import Role
from prefork.errors import RemoteError
from prefork.primary import mail
from prefork.primary.children import Child, Children
from prefork.wire import channel
from prefork.wire.complaint import Complaint
from prefork.wire.descriptors import Descriptor
from prefork.wire.letters import Kind, Letter, give_all
from prefork.wire.messages import POST, FromPrimary, Introduce
from prefork.wire.post import Post

TRY_AGAIN = 1.0  # seconds after which a line is laid that could not be
LAST_READS = 2048  # of a dead worker's line: whoever it has forked may write to it for ever


class Mailboxes:
    """One for each worker that wants one, or is told something. A turn reads a bit of each.

    Nothing waits, and nothing is raised for a worker's sake.
    """

    def __init__(
        self,
        children: Children,
        selector: selectors.BaseSelector,
        say: Callable[[Child, FromPrimary, list[int]], list[Fact]],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """*say*: something on a worker's channel."""
        self._children = children
        self._selector = selector
        self._say = say
        self._now = now
        self._posts: dict[int, Post] = {}  # by worker's id; those that are over too
        self._owed: dict[int, Child] = {}  # by id: whose line could not be laid
        self._try_at = 0.0  # to lay them
        self._facts: list[Fact] = []  # to be told at the next check
        self._trouble = Complaint("post_not_laid")
        self.take: Callable[[Child, Letter], None] = lambda *_: None  # raises RemoteError
        self.drained: Callable[[Child], None] = lambda _: None  # called when there is room again

    def __contains__(self, id: int) -> bool:
        """Whether there is such a worker, or one is to come."""
        return id in self._posts or self._children.get(id) is not None

    def reach(self, id: int) -> Post | None:
        """Give the worker's, which may be shut; a line is laid. None: there is no such worker."""
        child = self._children.get(id)
        if child is not None and id not in self._posts:
            self._posts[id] = Post(peer=str(child))
            self._connect(child)
        return self._posts.get(id)

    def send(
        self,
        id: int,
        kind: Kind,
        number: int,
        payload: bytes,
        descriptors: Sequence[Descriptor] = (),
    ) -> bool:
        """Send a letter. False: it is over, or much is unsent. Raises as `Post.send` does."""
        post = self.reach(id)
        if post is None:
            return False
        has_room = post.send(kind, number, payload, descriptors)
        self._listen_to(post)
        return has_room

    # -- lives of workers ----------------------------------------------------

    def expect(self, id: int, name: str) -> None:
        """Keep letters for a worker that is to come, perhaps after a while."""
        self._posts[id] = Post(peer=name)

    def meet(self, child: Child) -> None:
        """Give it what was kept for it; where nothing was, it has no line yet, as any other."""
        if (post := self._posts.get(child.id)) is None:
            return
        if post.has_unsent:
            self._connect(child)
        else:
            del self._posts[child.id]

    def want(self, child: Child, now: float) -> Iterable[Fact]:
        """Lay a line that a worker asks for; anew, where its end was lost on the way."""
        if child.role is not Role.WORKER:
            return [mail.blame(child, "asked for a post")]
        post = self._posts.get(child.id)
        facts = self._hear(child, post, now) if post is not None else []
        if post is not None and post.is_shut:
            self.drop(child.id)
        self.reach(child.id)
        return facts

    def bury(self, child: Child) -> None:
        """Hear what a dead worker had said."""
        if post := self._posts.get(child.id):
            for _ in range(LAST_READS):
                if self._hear(child, post, 0) or post.is_dry:
                    break
        self.drop(child.id)

    def drop(self, id: int) -> None:
        """Forget one to whom nothing can be said any more, or that never came."""
        if post := self._posts.pop(id, None):
            self._shut(post)
        self._owed.pop(id, None)

    # -- lines ---------------------------------------------------------------

    def _connect(self, child: Child) -> None:
        """Give the worker the other end. Where the system refuses, letters wait meanwhile."""
        post = self._posts[child.id]
        try:
            ours, theirs = channel.pair()
            try:
                self._facts += self._say(child, Introduce(POST), [theirs.detach()])
            except OSError:
                ours.close()
                raise
        except OSError as error:
            self._trouble.tell(self._now(), **child.who, reason=error.strerror)
            self._owed[child.id] = child
            self._try_at = self._now() + TRY_AGAIN
            return
        post.connect(ours)
        self._selector.register(post, selectors.EVENT_READ, partial(self._hear, child, post))
        self._flush(child, post)

    def _shut(self, post: Post) -> None:
        if post.is_connected and not post.is_closed:
            self._selector.unregister(post)
        post.close()

    def _flush(self, child: Child, post: Post) -> None:
        was_full = not post.has_room
        post.flush()
        self._listen_to(post)
        if was_full and post.has_room:
            self.drained(child)

    def _listen_to(self, post: Post) -> None:
        """Wake for what it says; and for room to write, while something is unsent."""
        if not post.is_connected or post.is_closed:
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if post.has_unsent else 0)
        key = self._selector.get_key(post)
        if key.events != events:
            self._selector.modify(post, events, key.data)

    def _hear(self, child: Child, post: Post, _now: float) -> list[Fact]:
        self._flush(child, post)  # of one that was buried earlier in this batch nothing comes
        try:
            give_all(post.receive(), partial(self.take, child))
        except RemoteError as error:
            self._shut(post)
            return [mail.blame(child, str(error))]
        if post.is_ended:
            self._shut(post)
        return []

    # -- time ----------------------------------------------------------------

    def next_check(self) -> float | None:
        if self._facts:
            return 0.0
        return self._try_at if self._owed else None

    def check(self, now: float) -> Iterable[Fact]:
        """Lay what could not be laid."""
        if self._owed and now >= self._try_at:
            owed, self._owed = self._owed, {}
            for child in owed.values():
                self._connect(child)
        facts, self._facts = self._facts, []
        return facts
