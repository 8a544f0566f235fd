"""Where the access log goes: standard output, or a path that may be rotated away at any time."""

import errno
import os
import stat
from contextlib import suppress

from prefork import log
from prefork.sink import Sink, has_room

MODE = 0o640
# Not to wait for a FIFO's reader; the descriptor is ours alone.
FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class Output:
    """A descriptor that we were given."""

    is_patient = False  # a reader that is gone will not come back

    def __init__(self, fd: int | None) -> None:
        self.is_file = False  # which takes any size in one write
        self._fd = fd  # None: not open yet
        self._adopt(fd)

    def put(self, lines: bytes) -> int:
        """As `Sink.put`."""
        if self._sink is None:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        return self._sink.put(lines)

    def wait(self, seconds: float) -> None:
        """Wait until there is room, or nobody who would make it."""
        if self._fd is not None:
            with suppress(BrokenPipeError):
                has_room(self._fd, seconds)

    def renew(self) -> None:
        """Look whether it is still the right one."""

    def _adopt(self, fd: int | None) -> None:
        self._fd = fd
        self._sink = None if fd is None else Sink(fd)
        self.is_file = fd is not None and stat.S_ISREG(os.fstat(fd).st_mode)


class Path(Output):
    """A file or a named pipe. Raises OSError where it can't be opened at first."""

    is_patient = True

    def __init__(self, path: str) -> None:
        self._path = path
        self._trouble = ""  # that was told
        super().__init__(_open(path))

    def renew(self) -> None:
        """Open what is at the path now, if it isn't what is open; what was open is closed."""
        if self._fd is not None and _is_at(self._path, self._fd):
            return
        try:
            fd = _open(self._path)
        except OSError as error:
            if self._trouble != str(error):
                self._trouble = str(error)
                log.error("access_log_not_opened", path=self._path, reason=error.strerror)
            return
        self._trouble = ""
        if self._fd is not None:
            os.close(self._fd)
        self._adopt(fd)


def _open(path: str) -> int | None:
    """A descriptor; None: a named pipe without a reader."""
    try:
        return os.open(path, FLAGS, MODE)
    except OSError as error:
        if error.errno == errno.ENXIO and stat.S_ISFIFO(os.stat(path).st_mode):
            return None
        raise


def _is_at(path: str, fd: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except OSError:
        return False
