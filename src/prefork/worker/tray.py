"""Letters of one kind, from their arrival until a handler of the user's is done with them."""

import asyncio
import inspect
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from prefork.errors import RemoteError
from prefork.wire.complaint import Complaint
from prefork.wire.descriptors import close_all
from prefork.wire.letters import Letter
from prefork.wire.post import decode
from prefork.worker.tracebacks import ANYTHING

MOST_WAITING = 1000  # letters
MOST_BYTES = 16 * 1024 * 1024  # of payload that waits
MOST_RUNNING = 1000  # handlers that are not done

# Called with what a handler returned, or with what it raised.
Done: TypeAlias = Callable[[Letter, Any, BaseException | None], None]


@dataclass(frozen=True, slots=True)
class Handler:
    """A function of the user's; with two parameters it gets the descriptors too, and owns them."""

    function: Callable[..., Any]
    takes_descriptors: bool

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "Handler":
        """Raises TypeError for what can't be called."""
        if not callable(function):
            raise TypeError(f"a handler is a function, not {function!r}")
        return cls(function, _positional(function) > 1)

    def call(self, value: object, descriptors: list[int]) -> Any:
        if self.takes_descriptors:
            return self.function(value, descriptors)
        return self.function(value)


def _positional(function: Callable[..., Any]) -> int:
    """How many parameters it has that are given by their place; of a builtin nobody may know."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return 1
    return sum(
        each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) for each in parameters
    )


class Tray:
    """Letters wait in it for their first handler, and for those to end that run.

    Handlers are called in the order in which letters came; what is `async` starts in that order.
    *relieve*: called when it is `is_jammed` no more. *refuse*: called with one that can't be read.
    """

    def __init__(
        self,
        done: Done,
        relieve: Callable[[], None],
        refuse: Callable[[Letter, str], None] = lambda *_: None,
    ) -> None:
        self._done = done
        self._relieve = relieve
        self._refuse = refuse
        self._handlers: list[Handler] = []
        self._waiting: deque[Letter] = deque()
        self._weight = 0  # bytes that wait
        self._trouble = Complaint("messages_dropped")
        self._unreadable = Complaint("message_unreadable")
        self.running: set[asyncio.Task[Any]] = set()

    def __bool__(self) -> bool:
        return bool(self._handlers)

    def handle_by(self, function: Callable[..., Any]) -> None:
        """Have a function handle what comes, and what waits. Raises TypeError."""
        self._handlers.append(Handler.of(function))

    @property
    def is_jammed(self) -> bool:
        """Whether nothing more should be read, for handlers are slower than what comes."""
        return bool(self._handlers) and self._is_full

    @property
    def _is_full(self) -> bool:
        return len(self._waiting) >= MOST_WAITING or self._weight >= MOST_BYTES

    def put(self, letter: Letter) -> bool:
        """Handle a letter, as soon as may be. False: nobody has handled any, and too many wait."""
        if self._is_full and not self._handlers:
            close_all(letter.descriptors)
            self._trouble.tell(
                time.monotonic(), reason="they wait for a handler, and none was registered"
            )
            return False
        self._waiting.append(letter)
        self._weight += len(letter.payload)
        self.work()
        return True

    def work(self) -> None:
        """Handle what waits, while there is somebody to."""
        while self._waiting and self._handlers and len(self.running) < MOST_RUNNING:
            letter = self._waiting.popleft()
            self._weight -= len(letter.payload)
            self._handle(letter)

    def close(self) -> None:
        """Cancel what runs, and drop what waits."""
        for task in self.running:
            task.cancel()
        while self._waiting:
            close_all(self._waiting.popleft().descriptors)

    def _handle(self, letter: Letter) -> None:
        try:
            value = decode(letter.payload)
        except RemoteError as error:
            close_all(letter.descriptors)
            self._unreadable.tell(time.monotonic(), reason=str(error))
            self._refuse(letter, f"the request can't be read: {error}")
            return
        if not any(each.takes_descriptors for each in self._handlers):
            close_all(letter.descriptors)
        for handler in list(self._handlers):
            self._call(handler, letter, value)

    def _call(self, handler: Handler, letter: Letter, value: object) -> None:
        try:
            made = handler.call(value, letter.descriptors)
        except ANYTHING as error:
            self._done(letter, None, error)
            return
        if not inspect.isawaitable(made):
            self._done(letter, made, None)
            return
        task = asyncio.ensure_future(_outcome(made))
        self.running.add(task)
        task.add_done_callback(partial(self._end, letter))

    def _end(self, letter: Letter, task: "asyncio.Task[tuple[Any, BaseException | None]]") -> None:
        self.running.discard(task)
        if not task.cancelled():
            self._done(letter, *task.result())
        was_jammed = self.is_jammed
        self.work()
        if was_jammed and not self.is_jammed:
            self._relieve()


async def _outcome(made: Awaitable[Any]) -> tuple[Any, BaseException | None]:
    """What it returns, or raises: caught here, since some of it would end the event loop."""
    try:
        return await made, None
    except ANYTHING as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return None, error
