"""An exception from another thread hits the code that it is meant for, and nothing else."""

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any

import pytest

from prefork.pool import interruption
from prefork.pool.errors import TaskCancelled
from prefork.pool.interruption import Interruptible

PATIENCE = 20.0  # seconds


def spin(begun: threading.Event) -> None:
    begun.set()
    while True:
        pass


def in_thread(work: Callable[[], Any]) -> "tuple[threading.Thread, list[Any]]":
    """Begin it in a thread; what it returns, or raises, is then in the list."""
    came: list[Any] = []

    def live() -> None:
        try:
            came.append(work())
        except BaseException as error:  # noqa: BLE001 - that is what it is about
            came.append(error)

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    return thread, came


def test_code_that_runs_ends_by_the_exception() -> None:
    code, begun = Interruptible(), threading.Event()
    thread, came = in_thread(lambda: code.call(spin, begun))
    assert begun.wait(PATIENCE)
    code.interrupt()
    thread.join(PATIENCE)
    assert [type(each) for each in came] == [TaskCancelled]


def test_what_is_interrupted_before_it_is_called_never_begins() -> None:
    code = Interruptible()
    code.interrupt()
    with pytest.raises(TaskCancelled):
        code.call(pytest.fail, "it has begun")


def test_a_result_that_was_there_before_stays() -> None:
    code = Interruptible()
    assert code.call(divmod, 7, 2) == (3, 1)
    code.interrupt()
    assert [each for each in range(1000) if each > 998] == [999]  # nothing is raised here


def test_code_that_catches_the_exception_is_told_of_it_once_and_gives_no_result() -> None:
    code, begun = Interruptible(), threading.Event()
    caught: list[TaskCancelled] = []

    def stubborn() -> str:
        try:
            spin(begun)
        except TaskCancelled as error:
            caught.append(error)
        return "done nevertheless"

    thread, came = in_thread(lambda: code.call(stubborn))
    assert begun.wait(PATIENCE)
    code.interrupt()
    code.interrupt()
    thread.join(PATIENCE)
    assert len(caught) == 1
    assert [type(each) for each in came] == [TaskCancelled]


def test_of_a_generator_only_its_own_code_is_interrupted() -> None:
    code = Interruptible()

    def numbers() -> Iterator[int]:
        yield from range(10)

    items = code.call(numbers)
    assert code.call(next, items) == 0
    code.interrupt()  # between two items
    assert sum(range(1000)) == 499500
    with pytest.raises(TaskCancelled):
        code.call(next, items)


def test_an_error_of_its_own_is_raised_and_keeps_nothing_alive() -> None:
    class LocalError(Exception):
        pass

    def fail() -> None:
        raise LocalError("no")

    gc.disable()
    try:
        before = len(gc.get_objects())
        for _ in range(100):
            with pytest.raises(LocalError, match="no"):
                Interruptible().call(fail)
        assert len(gc.get_objects()) - before < 100
    finally:
        gc.enable()


class Step:
    """An interruption at the n-th line that the thread comes to there.

    Who interrupts takes the token at the one, and raises the exception *late* lines later: by then
    the thread may wait for it.
    """

    def __init__(self, code: Interruptible, number: int, late: int) -> None:
        self._code = code
        self._left = number
        self._late = late
        self._took: list[int] = []
        code._raised = self  # type: ignore[assignment]

    def trace(self, frame: FrameType, event: str, _arg: object) -> Any:
        if frame.f_code.co_filename != interruption.__file__:
            return None
        if event == "line":
            self._left -= 1
            if self._left == 0:
                self._take()
            if self._left == -self._late:
                self._raise()
        return self.trace

    def _take(self) -> None:
        self._code.is_unwanted = True
        if self._code._token:
            self._took.append(self._code._token.pop())

    def _raise(self) -> None:
        while self._took:
            interruption._raise_in(self._took.pop(), TaskCancelled)

    def acquire(self) -> None:
        """Wait, as the thread does, until who interrupts has raised it."""
        self._raise()


def count() -> int:
    return sum(number for number in range(3))


@pytest.mark.parametrize("late", [0, 1, 2, 3, 1000])
def test_at_whichever_line_it_comes_it_hits_what_it_is_meant_for(late: int) -> None:
    """That of a call is raised by it; after the call nothing is raised any more."""

    def live(number: int) -> tuple[str, bool]:
        code = Interruptible()
        step = Step(code, number, late)
        sys.settrace(step.trace)
        try:
            end = f"whole: {code.call(count)}"
        except TaskCancelled:
            end = "cut"
        finally:
            sys.settrace(None)
        step.acquire()  # whoever is so late must not exist
        assert sum(range(1000)) == 499500, "here it were raised, if anything was left of it"
        return end, code.is_unwanted

    ends = set()
    for number in range(1, 40):
        thread, came = in_thread(partial(live, number))
        thread.join(PATIENCE)
        assert came, f"it hangs after {number}"
        ends.add(came[0])
    assert ends == {("cut", True), ("whole: 3", True), ("whole: 3", False)}
