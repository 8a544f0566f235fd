"""The posts to workers, as the primary's loop sees them: what users say to them, and hear."""

import math
import selectors
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from prefork import log
from prefork.core.facts import Fact
from prefork.core.process import Role
from prefork.errors import RemoteError
from prefork.primary import mail
from prefork.primary.children import Child, Children
from prefork.primary.questions import Answer, Question, Questions, Then
from prefork.wire import channel
from prefork.wire.complaint import Complaint
from prefork.wire.descriptors import Descriptor, close_all
from prefork.wire.letters import Kind, Letter, give_all
from prefork.wire.messages import FromPrimary, Introduce
from prefork.wire.post import Post, decode, encode, encode_reason

LINE = "post"  # of `messages.LINES`
TRY_AGAIN = 1.0  # seconds after which a line is laid that could not be
LAST_READS = (
    2048  # of a dead worker's line, which holds 278 letters; whom it has forked may write still
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a worker says, and whoever is told owns. *number*: of a request; 0: of a message."""

    value: Any
    descriptors: list[int]
    number: int = 0


class Posts:
    """One for each worker that wants one, or is told something. A turn reads a bit of each.

    Nothing waits, and nothing is raised for a worker's sake; but TypeError and ValueError are for
    values that can't be sent, and OSError for descriptors that are not open. Callbacks don't raise.
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
        self._posts: dict[int, Post] = {}  # by child's id; those that are over too
        self._owed: dict[int, Child] = {}  # by id: whose line could not be laid
        self._try_at = 0.0  # to lay them
        self._facts: list[Fact] = []  # to be told at the next check
        self._questions = Questions()
        self._trouble = Complaint("post_not_laid")
        self.received: Callable[[Child, Said], None] | None = None  # None: nobody listens
        self.drained: Callable[[Child], None] = lambda _: None  # called when there is room again

    # -- saying --------------------------------------------------------------

    def send(self, child: Child, value: object, descriptors: Sequence[Descriptor] = ()) -> bool:
        """Send a message. False: it is over, or much is unsent: wait until it has `drained`."""
        return self._send(child, Kind.MESSAGE, 0, encode(value), descriptors)

    def request(
        self,
        child: Child,
        value: object,
        timeout: float,
        then: Then,
        descriptors: Sequence[Descriptor] = (),
    ) -> None:
        """Ask; *then* is called, later, with the answer, or with why there is none."""
        if math.isnan(timeout):
            raise ValueError("a timeout must be a number, not nan")
        payload, now = encode(value), self._now()
        post = self._lay(child)
        if post is None or post.is_shut or post.is_full:
            failure = "it does not read" if post is not None and post.is_full else "it has gone"
            self._questions.ask(Question(child.id, now, failure, then))
            return
        question = Question(child.id, now + timeout, f"no answer within {timeout} s", then)
        number = self._questions.ask(question)
        self._send(child, Kind.REQUEST, number, payload, descriptors)

    def reply(self, child: Child, number: int, value: object) -> None:
        """Answer a worker's request."""
        self._send(child, Kind.REPLY, number, encode(value))

    def fail(self, child: Child, number: int, reason: str) -> None:
        """Say why a worker's request has no answer."""
        self._send(child, Kind.FAILURE, number, encode_reason(reason))

    def _send(
        self,
        child: Child,
        kind: Kind,
        number: int,
        payload: bytes,
        descriptors: Sequence[Descriptor] = (),
    ) -> bool:
        post = self._lay(child)
        if post is None:
            return False
        has_room = post.send(kind, number, payload, descriptors)
        self._listen_to(post)
        return has_room

    # -- lines ---------------------------------------------------------------

    def want(self, child: Child, now: float) -> Iterable[Fact]:
        """Lay a line that a worker asks for; anew, where its end was lost on the way."""
        if child.role is not Role.WORKER:
            return [mail.blame(child, "asked for a post")]
        post = self._posts.get(child.id)
        facts = self._hear(child, post, now) if post is not None else []
        if post is not None and post.is_shut:
            self._shut(post)
            del self._posts[child.id]
        self._lay(child)
        return facts

    def bury(self, child: Child) -> None:
        """Hear what a dead worker had said; whoever waits for its answer is told so."""
        if post := self._posts.get(child.id):
            for _ in range(LAST_READS):
                if post.is_ended or self._hear(child, post, 0):
                    break
            self._shut(post)
            del self._posts[child.id]
        self._owed.pop(child.id, None)
        self._questions.bury(child.id)

    def _lay(self, child: Child) -> Post | None:
        """Return the line's end, which may be shut. None: the worker is buried."""
        post = self._posts.get(child.id)
        if post is None and self._children.get(child.id) is child:
            post = self._posts[child.id] = Post(peer=str(child))
            self._connect(child, post)
        return post

    def _connect(self, child: Child, post: Post) -> None:
        """Give the worker the other end. Where the system refuses, letters wait meanwhile."""
        try:
            ours, theirs = channel.pair()
            try:
                self._facts += self._say(child, Introduce(LINE), [theirs.detach()])
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

    # -- hearing -------------------------------------------------------------

    def _hear(self, child: Child, post: Post, _now: float) -> list[Fact]:
        self._flush(child, post)  # of one that was buried earlier in this batch nothing comes
        try:
            give_all(post.receive(), partial(self._take, child))
        except RemoteError as error:
            self._shut(post)
            return [mail.blame(child, str(error))]
        if post.is_ended:
            self._shut(post)
        return []

    def _take(self, child: Child, letter: Letter) -> None:
        match letter.kind:
            case Kind.MESSAGE | Kind.REQUEST:
                self._tell(child, letter)
            case Kind.REPLY | Kind.FAILURE:
                close_all(letter.descriptors)
                value = decode(letter.payload)
                failed = letter.kind == Kind.FAILURE
                answer = Answer(failure=str(value)) if failed else Answer(value)
                self._questions.answer(child.id, letter.number, answer)
            case kind:
                close_all(letter.descriptors)
                raise RemoteError(f"not a letter: kind {kind}")

    def _tell(self, child: Child, letter: Letter) -> None:
        try:
            value = decode(letter.payload)
        except RemoteError:
            close_all(letter.descriptors)
            raise
        number = letter.number if letter.kind == Kind.REQUEST else 0
        if self.received is not None:
            self.received(child, Said(value, letter.descriptors, number))
            return
        close_all(letter.descriptors)
        log.debug("message_unheard", **child.who)
        if number:
            self.fail(child, number, "the primary has no handler for requests")

    # -- time ----------------------------------------------------------------

    def next_check(self) -> float | None:
        if self._facts:
            return 0.0
        times = [self._questions.next_check(), self._try_at if self._owed else None]
        return min((each for each in times if each is not None), default=None)

    def check(self, now: float) -> Iterable[Fact]:
        """Tell of answers that are overdue, and lay what could not be laid."""
        self._questions.check(now)
        if self._owed and now >= self._try_at:
            owed, self._owed = self._owed, {}
            for child in owed.values():
                self._connect(child, self._posts[child.id])
        facts, self._facts = self._facts, []
        return facts
