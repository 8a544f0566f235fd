"""What the process's environment says; no other module reads or changes it."""

import os
from collections.abc import Iterable, Mapping

_environment = os.environ  # noqa: TID251 - this is the one place

BLAS_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def variables() -> Mapping[str, str]:
    """Give the environment as it is now, for the sources of settings."""
    return _environment


def add(found: Mapping[str, str]) -> None:
    """Add variables that the file or an env file names, for the application."""
    _environment.update(found)


def forget(names: Iterable[str]) -> None:
    """Remove variables that were meant for this process, and not for its children."""
    for name in names:
        _environment.pop(name, None)


def with_added(found: Mapping[str, str]) -> dict[str, str]:
    """Give the environment for a program that is started, with variables more."""
    return {**_environment, **found}


def runtime_directory() -> str | None:
    """Give $XDG_RUNTIME_DIR where it is an absolute path, as it has to be, else None."""
    path = _environment.get("XDG_RUNTIME_DIR", "")
    return path if path.startswith("/") else None


def temporary_directory() -> str:
    """Give $TMPDIR where it is an absolute path, else /tmp."""
    path = _environment.get("TMPDIR", "")
    return path if path.startswith("/") else "/tmp"


def wants_colours() -> bool:
    """Whether the user's terminal is for colours: https://no-color.org, and TERM."""
    return not _environment.get("NO_COLOR") and _environment.get("TERM", "dumb") != "dumb"


def blas_threads() -> int:
    """Give the largest pool that a linear algebra library was told to start."""
    told = [_environment.get(name, "") for name in BLAS_VARIABLES]
    return max([1, *(int(number) for number in told if number.isdigit())])


def limit_blas_threads(threads: int) -> None:
    """Set how many threads each linear algebra library starts, unless the user has said so.

    It works only before the library is imported. Two workers with two threads each on two cores
    did 693 matrix products in the time in which one thread each did 4,125.
    """
    for name in BLAS_VARIABLES:
        _environment.setdefault(name, str(threads))
