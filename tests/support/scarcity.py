"""Too little of something for one process or in one directory: never for the whole machine."""

import errno
import itertools
import os
import resource
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support import pacing
from tests.support.processes import descriptors

OPTIONS = {resource.RLIMIT_NOFILE: "--nofile", resource.RLIMIT_NPROC: "--nproc"}
NAMES = {resource.RLIMIT_NOFILE: "Max open files", resource.RLIMIT_NPROC: "Max processes"}
NONE = 3  # the limit of open files that leaves nothing: what is open stays so


@contextmanager
def used_up(but: int = 0) -> Iterator[None]:
    """Leave this process *but* so many descriptors meanwhile, of those below its highest."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/dev/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
    opened: list[int] = []
    try:
        with _up_to(errno.EMFILE):
            while True:
                opened.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(but):
            os.close(opened.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for each in opened:
            os.close(each)


def free_numbers(pid: int, count: int) -> int:
    """Return the limit of open files that leaves the process so many."""
    taken = descriptors(pid)
    free = (number for number in itertools.count() if number not in taken)
    return list(itertools.islice(free, count))[-1] + 1


@contextmanager
def squeezed(pid: int, kind: int, most: int, prefix: Sequence[str] = ()) -> Iterator[None]:
    """Give a process no more of something meanwhile. *prefix*: of commands in its user's name."""
    before = _soft(pid, kind)
    _limit(pid, kind, str(most), prefix)
    try:
        yield
    finally:
        _limit(pid, kind, before, prefix)


def _soft(pid: int, kind: int) -> str:
    """Whoever may not set a limit may not ask for it either; but everybody may read it."""
    table = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line for line in table if line.startswith(NAMES[kind])).split()[3]


def _limit(pid: int, kind: int, most: str, prefix: Sequence[str]) -> None:
    if prefix:
        option = f"{OPTIONS[kind]}={most}:"  # the soft one: no other can be raised again
        subprocess.run([*prefix, "prlimit", "--pid", str(pid), option], check=True)
    else:
        _, hard = resource.prlimit(pid, kind)
        soft = resource.RLIM_INFINITY if most == "unlimited" else int(most)
        resource.prlimit(pid, kind, (soft, hard))


def fill(file: Path) -> None:
    """Write until its file system takes nothing more."""
    with file.open("wb", buffering=0) as full, _up_to(errno.ENOSPC):
        while True:
            full.write(bytes(4096))


def fill_inodes(directory: Path) -> None:
    """Make files until its file system takes no other."""
    with _up_to(errno.ENOSPC):
        for number in itertools.count():
            (directory / str(number)).touch()


@contextmanager
def _up_to(number: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != number:
            raise


def until(so: Callable[[], bool], timeout: float = 10) -> None:
    """Look at a file until it is so: nobody tells of what is written there."""
    for _ in pacing.beats(0.05, timeout):
        if so():
            return
    raise AssertionError(f"never so in {timeout} s")
