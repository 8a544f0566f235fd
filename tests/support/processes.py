"""What /proc and pidfds know of processes, Linux only."""

import os
import select
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

PROC = Path("/proc")


def children(pid: int) -> list[int]:
    """Return the pids of *pid*'s children, those of all its threads."""
    found: list[int] = []
    for listed in (PROC / str(pid) / "task").glob("*/children"):
        found += map(int, _text(listed).split())
    return sorted(found)


def descendants(pid: int) -> list[int]:
    """Return the pids of all processes below *pid*, without *pid*."""
    below = children(pid)
    return below + [deeper for child in below for deeper in descendants(child)]


def session(leader: int) -> list[int]:
    """Return the living processes of the session that *leader* opened, orphans included."""
    every = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
    return [pid for pid in every if _sid(pid) == leader and state(pid) not in ("", "Z", "X")]


def state(pid: int) -> str:
    """Return the kernel's letter for *pid*'s state; empty where it is gone."""
    return next(iter(_stat(pid)), "")


def until_state(pid: int, letter: str, timeout: float = 20) -> None:
    """Read *pid*'s state until it is *letter*: SIGSTOP takes a moment, and tells nobody."""
    deadline = time.monotonic() + timeout
    while state(pid) != letter:
        assert time.monotonic() < deadline, f"process {pid} is {state(pid)!r}, not {letter!r}"


def threads(pid: int) -> int:
    return len(list((PROC / str(pid) / "task").iterdir()))


def libraries(pid: int) -> set[str]:
    """Return the names of the shared objects that *pid* has mapped."""
    lines = _text(PROC / str(pid) / "maps").splitlines()
    return {Path(line.split()[-1]).name for line in lines if ".so" in line}


def named_memory(pid: int) -> set[str]:
    """Return the names of *pid*'s shared memory; what has no name dies with its users."""
    names = (line.split()[-1] for line in _text(PROC / str(pid) / "maps").splitlines())
    return {name for name in names if name.startswith(("/dev/shm/", "/SYSV"))}


def descriptors(pid: int) -> dict[int, str]:
    """Return what each open descriptor of *pid* is, as /proc spells it: `socket:[4711]`."""
    found: dict[int, str] = {}
    for entry in (PROC / str(pid) / "fd").iterdir():
        try:
            found[int(entry.name)] = str(entry.readlink())
        except FileNotFoundError:
            continue  # closed while we looked
    return found


def cpu_seconds(pid: int) -> float:
    """Return the processor time of *pid*'s threads, in nanoseconds' steps where they are known."""
    used = [_text(each) for each in (PROC / str(pid) / "task").glob("*/schedstat")]
    if any(used):
        return sum(int(each.split()[0]) for each in used if each) / 1e9
    ticks = _stat(pid)[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def run_delay(pid: int) -> float:
    """Return the seconds that *pid*'s main thread could have run, ever, and had no core."""
    return int(_text(PROC / str(pid) / "task" / str(pid) / "schedstat").split()[1]) / 1e9


def pss(pid: int) -> int:
    """Return the bytes of memory of *pid*, pages that it shares counted in parts; 0 where gone."""
    return _kilobytes(pid, "smaps_rollup", "Pss:")


def own_pss(pid: int) -> int:
    """Return the same without files: how many strangers share a library is not its doing."""
    return _kilobytes(pid, "smaps_rollup", "Pss_Anon:")


def own_rss(pid: int) -> int:
    """Return the bytes of *pid*'s memory that are of no file, shared ones counted in full."""
    return _kilobytes(pid, "status", "RssAnon:")


class Watch:
    """Pidfds of some processes: they tell of exits, and no reused pid can deceive them."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._closing = ExitStack()
        self._pids: dict[int, int] = {}  # by pidfd
        for pid in pids:
            try:
                fd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            self._closing.callback(os.close, fd)
            self._pids[fd] = pid

    def left(self, timeout: float) -> list[int]:
        """Wait until all have exited, *timeout* seconds at most; return those that have not."""
        deadline = time.monotonic() + timeout
        poll = select.poll()
        for fd in self._pids:
            poll.register(fd, select.POLLIN)
        alive = dict(self._pids)
        while alive:
            gone = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            for fd, _ in gone:
                poll.unregister(fd)
                del alive[fd]
            if not gone:
                break
        return sorted(alive.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._closing.close()


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the command: state, ppid, pgrp, session, …"""
    return _text(PROC / str(pid) / "stat").rpartition(")")[2].split()


def _sid(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[3]) if fields else -1


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _kilobytes(pid: int, table: str, name: str) -> int:
    lines = _text(PROC / str(pid) / table).splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
