"""A child never comes back, whatever fails on its way out."""

import os
import sys
from collections.abc import Callable

import pytest

from prefork.wire import boundary


def exit_code_of(run: Callable[[], int]) -> int:
    pid = os.fork()
    if pid == 0:
        boundary.run_and_exit(run)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def breaks_its_output() -> int:
    sys.stdout = open("/dev/full", "w")  # noqa: SIM115 - never closed, on purpose
    print("this can't be written")
    return 6


def raises() -> int:
    raise ValueError("told on standard error")


def raises_without_standard_error() -> int:
    sys.stderr.close()
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("run", "code"),
    [
        (lambda: 3, 3),
        (lambda: -1, 255),
        (lambda: 2**31 + 7, 7),
        (breaks_its_output, 6),
        (raises, 1),
        (raises_without_standard_error, 1),
    ],
    ids=[
        "returns",
        "returns less than nothing",
        "returns a lot",
        "breaks its output",
        "raises",
        "raises silently",
    ],
)
def test_a_child_ends_with_its_code(run: Callable[[], int], code: int) -> None:
    assert exit_code_of(run) == code
