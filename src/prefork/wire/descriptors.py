"""Which descriptors a process keeps when it is forked, and how many it may open."""

import os
import resource
from collections.abc import Iterable
from typing import Protocol, TypeAlias

from prefork.errors import SettingsError

_LAST_STANDARD = 2
_FOLDERS = ("/proc/self/fd", "/dev/fd")
FEWEST = 128  # a worker has 20 of its own, and leaves 64 to the application
FOR_EACH = 8  # worker, in the primary: four, and during a reload twice as many; of the pool: two
FOR_OUTPUT = 4  # more, where what it prints is captured: two, and during a reload as many again


class HasFileno(Protocol):
    def fileno(self) -> int: ...


Descriptor: TypeAlias = int | HasFileno  # or what has one: a socket, a file


def fill_standard() -> None:
    """Open /dev/null where a standard descriptor is closed, lest a socket gets its number."""
    while (opened := os.open(os.devnull, os.O_RDWR)) <= _LAST_STANDARD:
        os.set_inheritable(opened, True)
    os.close(opened)


def close_others(kept: Iterable[int]) -> None:
    """Close all descriptors but the standard ones and *kept*; standard input becomes /dev/null.

    A worker is in the background of its terminal: reading from that would stop it.
    """
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    keep = {0, 1, 2, *kept}
    for descriptor in _open_descriptors():
        if descriptor not in keep:
            try:
                os.close(descriptor)
            except OSError:
                continue  # the one that listed the others


def opened() -> frozenset[int]:
    """What is open, without the one that lists."""
    found = set()
    for descriptor in _open_descriptors():
        try:
            os.fstat(descriptor)
        except OSError:
            continue
        found.add(descriptor)
    return frozenset(found)


def _open_descriptors() -> list[int]:
    """What is open; never a loop up to the limit, which is 10^9 in some containers."""
    for folder in _FOLDERS:
        try:
            return [int(name) for name in os.listdir(folder)]
        except OSError:
            continue
    return list(range(3, os.sysconf("SC_OPEN_MAX")))


def count_open() -> int:
    """How many descriptors this process has open, or may have, where none is left to list them."""
    for folder in _FOLDERS:
        try:
            return len(os.listdir(folder)) - 1  # without the one that lists
        except OSError:
            continue
    return limit()


def close_all(descriptors: Iterable[int]) -> None:
    """Close what was received or made, and is not wanted."""
    for each in descriptors:
        try:  # suppress() would cost as much as the call
            os.close(each)
        except OSError:
            continue  # somebody else has closed it


def duplicates(descriptors: Iterable[Descriptor]) -> list[int]:
    """Duplicate all, or none. Raises OSError, or what their `fileno` does."""
    made: list[int] = []
    try:
        for each in descriptors:
            number = each if isinstance(each, int) else each.fileno()
            made.append(os.dup(number))  # one by one: what was made is closed where one fails
    except Exception:
        close_all(made)
        raise
    return made


def raise_limit() -> int:
    """Raise the soft limit of open files to the hard one; returns the limit in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # macOS says "unlimited" and takes less
            return soft
    return limit()


def require(processes: int, *, captures_output: bool = False) -> None:
    """Raise SettingsError where the limit is too low for anything to be served."""
    least = FEWEST + (FOR_EACH + FOR_OUTPUT * captures_output) * processes
    if limit() < least:
        raise SettingsError(
            f"the limit of open files is {limit()}, and {processes} workers and processes "
            f"of the pool need {least} at least; raise it with `ulimit -n`, or with "
            "LimitNOFILE= of systemd"
        )


def limit() -> int:
    """How many descriptors this process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
