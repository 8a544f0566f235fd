"""What users' code in the primary says to workers, and hears from them: values out, values in."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from prefork import log
from prefork.core.facts import Fact
from prefork.errors import RemoteError
from prefork.primary.children import Child
from prefork.primary.mailboxes import Mailboxes
from prefork.primary.questions import Answer, Question, Questions, Then
from prefork.wire.complaint import Complaint
from prefork.wire.descriptors import Descriptor, close_all
from prefork.wire.letters import Kind, Letter
from prefork.wire.post import decode, encode, encode_reason


@dataclass(frozen=True, slots=True)
class Said:
    """What a worker says, and whoever is told owns. *number*: of a request; 0: of a message."""

    value: Any
    descriptors: list[int]
    number: int = 0


class Posts:
    """Workers are named by their ids.

    TypeError and ValueError are for values that can't be sent, and OSError for descriptors that are
    not open. Callbacks don't raise.
    """

    def __init__(self, mailboxes: Mailboxes, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.mailboxes = mailboxes
        self.mailboxes.take = self._take
        self._questions = Questions()
        self._unreadable = Complaint("message_unreadable")
        self.received: Callable[[Child, Said], None] | None = None  # None: nobody listens

    # -- saying --------------------------------------------------------------

    def send(self, id: int, value: object, descriptors: Sequence[Descriptor] = ()) -> bool:
        """Send a message. False: it is over, or much is unsent: wait until it has `drained`."""
        return self.mailboxes.send(id, Kind.MESSAGE, 0, encode(value), descriptors)

    def request(self, id: int, value: object, timeout: float, then: Then) -> None:
        """Ask; *then* is called, later, with the answer, or with why there is none."""
        if math.isnan(timeout):
            raise ValueError("a timeout must be a number, not nan")
        payload, now = encode(value), self._now()
        post = self.mailboxes.reach(id)
        if post is None or post.is_shut or post.is_full:
            failure = "it does not read" if post is not None and post.is_full else "it has gone"
            self._questions.ask(Question(id, now, failure, then))
            return
        question = Question(id, now + timeout, f"no answer within {timeout} s", then)
        self.mailboxes.send(id, Kind.REQUEST, self._questions.ask(question), payload)

    def reply(self, id: int, number: int, value: object) -> None:
        """Answer a worker's request."""
        self.mailboxes.send(id, Kind.REPLY, number, encode(value))

    def fail(self, id: int, number: int, reason: str) -> None:
        """Say why a worker's request has no answer."""
        self.mailboxes.send(id, Kind.FAILURE, number, encode_reason(reason))

    # -- lives of workers ----------------------------------------------------

    def bury(self, child: Child) -> None:
        """Hear what a dead worker had said; whoever waits for its answer is told so."""
        self.mailboxes.bury(child)
        self._questions.bury(child.id)

    def drop(self, id: int) -> None:
        """Tell whoever waits for its answer that a worker never came."""
        self.mailboxes.drop(id)
        self._questions.bury(id)

    # -- hearing -------------------------------------------------------------

    def _take(self, child: Child, letter: Letter) -> None:
        """Raises RemoteError for one of no kind.

        One that can't be read costs the worker nothing: there are values that can be encoded, and
        not decoded, and users' code may send them.
        """
        match letter.kind:
            case Kind.MESSAGE | Kind.REQUEST:
                self._tell(child, letter)
            case Kind.REPLY | Kind.FAILURE:
                close_all(letter.descriptors)
                self._questions.answer(child.id, letter.number, _answer(letter))
            case kind:
                close_all(letter.descriptors)
                raise RemoteError(f"not a letter: kind {kind}")

    def _tell(self, child: Child, letter: Letter) -> None:
        number = letter.number if letter.kind == Kind.REQUEST else 0
        try:
            value = decode(letter.payload)
        except RemoteError as error:
            close_all(letter.descriptors)
            self._unreadable.tell(self._now(), **child.who, reason=str(error))
            self._refuse(child, number, f"the request can't be read: {error}")
            return
        if self.received is not None:
            self.received(child, Said(value, letter.descriptors, number))
            return
        close_all(letter.descriptors)
        log.debug("message_unheard", **child.who)
        self._refuse(child, number, "the primary has no handler for requests")

    def _refuse(self, child: Child, number: int, reason: str) -> None:
        """Say so, unless it is a message."""
        if number:
            self.fail(child.id, number, reason)

    # -- time ----------------------------------------------------------------

    def next_check(self) -> float | None:
        times = [self._questions.next_check(), self.mailboxes.next_check()]
        return min((each for each in times if each is not None), default=None)

    def check(self, now: float) -> Iterable[Fact]:
        """Tell of answers that are overdue, and lay what could not be laid."""
        self._questions.check(now)
        return self.mailboxes.check(now)


def _answer(letter: Letter) -> Answer:
    try:
        value = decode(letter.payload)
    except RemoteError as error:
        return Answer(failure=f"the answer can't be read: {error}")
    return Answer(value) if letter.kind == Kind.REPLY else Answer(failure=str(value))
