"""What runs tasks, and what it is given: a pool's front knows no more of an engine than this."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from prefork.pool.errors import RemoteError
from prefork.pool.pace import Pace


class Call(msgspec.Struct):  # made three times as fast as a dataclass, as is a Task
    """A function, and what it is called with."""

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = msgspec.field(default_factory=dict)


class Items(Protocol):
    """Where the items of a streaming task go."""

    def put(self, item: Any) -> None: ...


class Task(msgspec.Struct, eq=False):
    """One call that waits, runs, or has ended: *outcome* is done then.

    *timeout*: seconds from its start; None: no limit. *priority*: more comes first.
    *items*: of a stream, whose function is a generator function; None: it returns once.
    """

    call: Call
    outcome: "asyncio.Future[Any]"
    timeout: float | None = None
    priority: int = 0
    items: Items | None = None
    submitted: int = msgspec.field(default_factory=time.monotonic_ns)

    def succeed(self, result: Any) -> None:
        if not self.outcome.done():
            self.outcome.set_result(result)

    def fail(self, error: BaseException) -> None:
        if isinstance(error, StopIteration):  # which a future refuses
            error = RemoteError(f"{type(error).__name__}: {error}")
        if not self.outcome.done():
            self.outcome.set_exception(error)


class Engine(Protocol):
    """Runs tasks one after the other, or side by side. Its methods are called on the event loop."""

    pace: Pace  # of what it has done

    def submit(self, task: Task) -> None:
        """Run it when its turn comes, and see to its timeout.

        Raises PoolFull; and TypeError or ValueError, at once, for what can't be given to another
        process, by name.
        """

    async def submit_to_all(self, call: Call, limit: float | None) -> list[Task]:
        """Run it once in each process; wait for the first, where there is none. *limit*: seconds
        that each may take, from its start. Raises as `submit`, PoolFull where one more may not wait
        that is for a certain process, or for any."""

    def cancel(self, task: Task) -> None:
        """Take it out of the queue, or make it end: nobody waits for its outcome any more."""

    def took(self, task: Task, items: int) -> None:
        """Hear that whoever reads the stream has taken so many: at most WINDOW are unread."""

    def counts(self) -> dict[str, int]:
        """Say how many processes there are, how many tasks wait, and how many run: `size`,
        `waiting`, `running`."""

    async def close(self) -> None:
        """End, with everything that still waits or runs."""


WINDOW = 16  # items of a stream that may be unread
