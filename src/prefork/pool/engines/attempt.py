"""A task in a thread: how it is run there, and what came of it."""

import asyncio
import threading
from typing import Any, NamedTuple

from prefork.pool import account, codec, interruption
from prefork.pool.engine import WINDOW, Items, Task
from prefork.pool.errors import RemoteError, TaskCancelled, TaskLost
from prefork.pool.interruption import Interruptible, each


class Outcome(NamedTuple):
    """*error*: None, and there is a result."""

    result: Any = None
    error: BaseException | None = None


class Attempt:
    """*loop*: that of whoever waits, which is told of a stream's items."""

    def __init__(self, task: Task, loop: asyncio.AbstractEventLoop) -> None:
        self.task = task
        self.timer: asyncio.TimerHandle | None = None  # when it is to end, or to be given up
        self.begun = 0  # by time.monotonic_ns(); 0: it waits
        self.is_doomed = False  # it was told to end
        self._loop = loop
        self._code = Interruptible()
        self._room = threading.Semaphore(WINDOW)  # items that may yet be put

    @property
    def name(self) -> str:
        """Of its function."""
        return codec.name_of(self.task.call.function)

    # -- for the loop's thread

    def interrupt(self) -> None:
        """Make it end, unless it does not heed that."""
        self._code.interrupt()
        self._room.release()

    def took(self, items: int) -> None:
        """Let it put so many items more."""
        self._room.release(items)

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    # -- for the thread that runs it

    def run(self) -> Outcome:
        """Run it to its end."""
        call = self.task.call
        try:
            result = self._code.call(call.function, *call.args, **call.kwargs)
            if self.task.items is None:
                return Outcome(result)
            self._stream(result, self.task.items)
            return Outcome()
        except SystemExit as error:
            return Outcome(error=TaskLost.by_exit(self.name, error))
        except Exception as error:  # noqa: BLE001 - it is that of whoever waits
            return Outcome(error=error)
        except BaseException as error:  # noqa: BLE001 - it would end more than who waits
            text = account.traceback_of(error, __file__, interruption.__file__)
            return Outcome(error=RemoteError(account.headline(error), text))

    def _stream(self, made: Any, reader: Items) -> None:
        """Put items as they come, at most WINDOW that are unread."""
        items = self._code.call(iter, made)
        for item in each(self._code, items):
            self._room.acquire()
            if self._code.is_unwanted:
                raise TaskCancelled
            self._loop.call_soon_threadsafe(reader.put, item)
