"""Unix sockets that have a path: claimed by one process at a time, replaced when that is dead."""

import errno
import fcntl
import os
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prefork.settings.address import MAX_SOCKET_PATH

LOCK_TRIES = 100
LOCK_PAUSE = 0.01  # seconds


class NamedSocket(socket.socket):
    """A listening socket that knows its file, and leaves another's alone."""

    path: Path
    identity: tuple[int, int]  # device and inode

    def remove(self) -> None:
        """Take the file away, where it still is this socket's."""
        with suppress(OSError):
            status = self.path.stat()
            if (status.st_dev, status.st_ino) == self.identity:
                self.path.unlink()


def listen(
    path: Path, backlog: int, *, umask: int | None = None, waits: bool = True
) -> NamedSocket:
    """Listen on *path*, without blocking; a dead process's socket is replaced.

    *umask*: under which the file is made, so that it has its mode from its first moment. *waits*:
    for a second, while another process does so in its directory. Raises OSError: EADDRINUSE where
    the path is served, or a file lies there; ENAMETOOLONG; EBUSY where the directory is locked.
    """
    with _locked(path.parent, LOCK_TRIES if waits else 1) as directory:
        way = _way(path, directory)
        if is_dead(way):
            way.unlink(missing_ok=True)
        listener = NamedSocket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _umask(umask):
                listener.bind(os.fspath(way))
            listener.listen(backlog)
            status = way.stat()
        except OSError:
            listener.close()
            raise
    listener.path = path
    listener.identity = status.st_dev, status.st_ino
    listener.setblocking(False)
    return listener


def remove_if_dead(path: Path) -> bool:
    """Remove a dead process's socket; whether it was one."""
    if not is_dead(path):
        return False
    with _locked(path.parent):  # nobody is between bind and listen now, where it seems dead
        if is_dead(path):
            path.unlink(missing_ok=True)
            return True
    return False


def is_dead(path: Path) -> bool:
    """Whether *path* is a socket that nobody listens on. A full backlog is life."""
    if not path.is_socket():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(os.fspath(path)) == errno.ECONNREFUSED


def _way(path: Path, directory: int) -> Path:
    """Give a path to the same file that is short enough to bind, by way of its open directory.

    Not by chdir(2) and a relative one: the working directory is all of the process's.
    """
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    way = Path(f"/proc/self/fd/{directory}", path.name)
    if not way.parent.exists() or len(os.fsencode(way)) > MAX_SOCKET_PATH:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    return way


@contextmanager
def _locked(directory: Path, tries: int = LOCK_TRIES) -> Iterator[int]:
    """One process at a time replaces or removes sockets; the kernel unlocks for a dead one."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor, directory, tries)
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, directory: Path, tries: int) -> None:
    """Wait for others of ours, who hold it for microseconds; in /tmp a stranger may hold it."""
    for left in reversed(range(tries)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            select.select([], [], [], LOCK_PAUSE if left else 0)  # flock(2) has no timeout
        else:
            return
    raise OSError(errno.EBUSY, f"the directory {directory} is locked by another process")


@contextmanager
def _umask(mask: int | None) -> Iterator[None]:
    if mask is None:
        yield
        return
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
