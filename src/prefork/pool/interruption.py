"""How a task's code is made to end that runs in a thread: an exception, there and nowhere else.

CPython raises an exception in another thread at that thread's next step, whatever it is at then:
the task, our own code after it, or the next task. So who is to raise it and who leaves the task's
code both take the one token that is there while it runs. Where the thread comes too late, it waits
for the exception, and swallows it.
"""

import ctypes
import threading
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar, cast

from prefork.pool.errors import TaskCancelled

P = ParamSpec("P")
R = TypeVar("R")
_END = object()  # of an iterator

_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
_raise_in.argtypes = [ctypes.c_ulong, ctypes.py_object]
_raise_in.restype = ctypes.c_int


class Interruptible:
    """The code of one task, called in one thread, piece by piece where it is a generator."""

    def __init__(self) -> None:
        self.is_unwanted = False  # somebody wanted it to end
        self._token: list[int] = []  # the thread's number, while the task's code runs
        self._raised = threading.Lock()  # free once the exception is on its way
        self._raised.acquire()

    def call(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call it. Raises what it raises; TaskCancelled, whatever came of it, if interrupted."""
        result: R | None = None
        error: BaseException | None = None
        try:
            self._token.append(threading.get_ident())  # from here on it may come
            if self.is_unwanted:  # looked at after that, so that no wish falls in between
                raise TaskCancelled
            result = function(*args, **kwargs)
        except BaseException as raised:  # noqa: BLE001 - raised below
            error = raised
        self._leave()
        try:
            if error is not None:
                raise error
        finally:
            error = None  # or it and this frame would keep each other
        return cast(R, result)

    def interrupt(self) -> None:
        """Raise TaskCancelled in it, now or when it is called next. For one other thread alone."""
        if self.is_unwanted:
            return
        self.is_unwanted = True
        try:
            thread = self._token.pop()
        except IndexError:  # no code of the task's runs
            return
        _raise_in(thread, TaskCancelled)
        self._raised.release()

    def _leave(self) -> None:
        """Let no more be raised in this thread. Raises TaskCancelled, if it was interrupted.

        Nobody can say whether the task's code has seen the exception. So it is raised once more,
        which replaces one that is on its way: now there is one in any case. (By NULL that could be
        taken back, but CPython 3.11 and 3.12 then look for it at each step, in all threads.)
        """
        try:
            self._token.pop()
        except IndexError:
            self._raised.acquire()
            _raise_in(threading.get_ident(), TaskCancelled)
            while True:
                pass


def each(code: Interruptible, items: Iterator[R]) -> Iterator[R]:
    """Give what a task's iterator gives. Only its own code is interrupted, never who takes them."""
    try:
        while (item := code.call(next, items, _END)) is not _END:
            yield cast(R, item)
    finally:
        if hasattr(items, "close"):
            items.close()
