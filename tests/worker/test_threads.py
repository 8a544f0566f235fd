"""Calls in threads: in order, as many at a time as may be."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from queue import SimpleQueue

import pytest

from prefork.errors import AppError, ExitCode
from prefork.worker.threads import Threads

PATIENCE = 20.0  # seconds


def named() -> list[str]:
    return sorted(each.name for each in threading.enumerate() if each.name.startswith("wsgi-"))


def _pass(gate: threading.Event) -> None:
    gate.wait(PATIENCE)


def test_one_thread_is_there_before_anything_is_called() -> None:
    threads = Threads(3)
    assert (repr(threads), named()) == ("<Threads 0 calls, 1 of 3>", ["wsgi-0"])
    threads.end(PATIENCE)
    assert named() == []


def test_calls_are_made_in_their_order() -> None:
    threads, seen = Threads(1), SimpleQueue[int]()
    for number in range(100):
        threads.call(partial(seen.put, number))
    threads.end(PATIENCE)
    assert [seen.get_nowait() for _ in range(100)] == list(range(100))


def test_as_many_calls_run_at_a_time_as_may_and_no_more() -> None:
    threads, gate, entered = Threads(3), threading.Event(), SimpleQueue[str]()

    def call() -> None:
        entered.put(threading.current_thread().name)
        gate.wait(PATIENCE)

    for _ in range(5):
        threads.call(call)
    first = {entered.get(timeout=PATIENCE) for _ in range(3)}
    assert first == {"wsgi-0", "wsgi-1", "wsgi-2"}
    assert entered.empty()
    assert repr(threads) == "<Threads 5 calls, 3 of 3>"
    gate.set()
    threads.end(PATIENCE)
    assert entered.qsize() == 2


def test_calls_one_after_another_need_one_thread() -> None:
    threads, done = Threads(3), SimpleQueue[None]()
    for _ in range(10):
        threads.call(lambda: done.put(None))
        done.get(timeout=PATIENCE)
        threads.done()
    assert repr(threads) == "<Threads 0 calls, 1 of 3>"
    threads.end(PATIENCE)


def test_a_thread_that_does_not_end_is_waited_for_no_longer_than_asked() -> None:
    threads, gate = Threads(1), threading.Event()
    threads.call(partial(_pass, gate))
    threads.end(0.01)
    assert named() == ["wsgi-0"]
    gate.set()
    threads.end(PATIENCE)
    assert named() == []


@pytest.fixture
def no_more_threads() -> Iterator[Callable[[], object]]:
    """Make threads need more room than there can be, from the call on."""
    before = threading.stack_size()
    yield lambda: threading.stack_size(1 << 46)
    threading.stack_size(before)


def test_where_there_is_not_even_one_thread_the_start_fails(
    no_more_threads: Callable[[], object],
) -> None:
    no_more_threads()
    with pytest.raises(AppError, match="no thread to call the application in") as refused:
        Threads(3)
    assert refused.value.exit_code is ExitCode.APP_START


def test_where_there_is_no_further_thread_calls_wait_and_it_is_told_once(
    no_more_threads: Callable[[], object], capfd: pytest.CaptureFixture[str]
) -> None:
    threads, gate, done = Threads(3), threading.Event(), SimpleQueue[None]()
    no_more_threads()
    threads.call(partial(_pass, gate))
    for _ in range(5):
        threads.call(lambda: done.put(None))
    assert repr(threads) == "<Threads 6 calls, 1 of 3>"
    gate.set()
    for _ in range(5):
        done.get(timeout=PATIENCE)
    threads.end(PATIENCE)
    assert capfd.readouterr().err.count("thread_not_started threads=1") == 1
