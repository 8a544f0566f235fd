"""What importing an application left behind that a fork would break."""

import os
import sys
import threading
from pathlib import Path

from prefork.settings import environment

_HARMLESS = ("/", "pipe:", "/dev/")  # files are shared by a fork, not broken
_BLAS = ("openblas", "libmkl", "libgomp", "libiomp", "libomp", "libblas")


def open_descriptors() -> set[str]:
    """Name what is open: "socket:[1234]", "anon_inode:[eventpoll]" and so on; Linux only."""
    names: set[str] = set()
    try:
        numbers = os.listdir("/proc/self/fd")
    except OSError:
        return names
    for number in numbers:
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue  # the one that lists
        if not target.startswith(_HARMLESS):
            names.add(f"{number} -> {target}")
    return names


def left_behind(before: set[str]) -> list[str]:
    """Name threads, processes, sockets and loops that an import started; empty: fork it."""
    left = [_thread(each) for each in threading.enumerate() if each is not threading.main_thread()]
    if native := _native_threads():
        left.append(f"{native} native threads that are not of a linear algebra library")
    left += [f"child process {pid}" for pid in sorted(children())]
    left += [f"descriptor {name}" for name in sorted(open_descriptors() - before)]
    return left


def _thread(thread: threading.Thread) -> str:
    """A thread's name, and the module whose code it runs."""
    frame = sys._current_frames().get(thread.ident or 0)
    module = ""
    while frame is not None:
        name = str(frame.f_globals.get("__name__", "?"))
        if name != "threading":
            module = name
        frame = frame.f_back
    return f"thread {thread.name!r}" + (f" of {module}" if module else "")


def children() -> set[int]:
    """Give the pids of this process's children, dead ones too; Linux only."""
    try:
        listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    except OSError:
        return set()
    return {int(pid) for pid in listed.split()}


def _native_threads() -> int:
    """How many threads Python doesn't know of, beyond those that BLAS's own pools explain.

    OpenBLAS and its kin start their pools again after a fork.
    """
    try:
        total = len(os.listdir("/proc/self/task"))
        maps = Path("/proc/self/maps").read_text(errors="replace")
    except OSError:
        return 0
    libraries = {line.rpartition("/")[2] for line in maps.splitlines() if _is_blas(line)}
    pools = len(libraries) * (environment.blas_threads() - 1)
    return max(0, total - threading.active_count() - pools)


def _is_blas(line: str) -> bool:
    file = line.rpartition("/")[2]
    return any(name in file for name in _BLAS)
