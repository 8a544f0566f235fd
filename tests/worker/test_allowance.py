"""What a process has is not counted against it; what it takes beyond its allowance is refused."""

import os
from collections.abc import Callable

import pytest

from prefork.wire import boundary
from prefork.worker import allowance

MEBI = 1 << 20


def exit_code(run: Callable[[], int]) -> int:
    """Run it in a child: a limit is never taken back."""
    pid = os.fork()
    if pid == 0:
        boundary.run_and_exit(run)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize(("more", "is_refused"), [(32, True), (128, False)])
def test_what_is_allocated_beyond_it_is_a_memory_error_whatever_there_is_already(
    more: int, is_refused: bool
) -> None:
    def run() -> int:
        had = bytearray(64 * MEBI)
        allowance.allow(more * MEBI)
        try:
            return len(had) + len(bytes(48 * MEBI)) == 0
        except MemoryError:
            return 7

    assert exit_code(run) == (7 if is_refused else 0)


def test_the_allowance_of_one_task_is_that_of_the_next() -> None:
    def run() -> int:
        allowance.allow(96 * MEBI)
        return sum(len(bytes(64 * MEBI)) for _ in range(5)) == 0

    assert exit_code(run) == 0
