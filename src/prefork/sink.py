"""A descriptor that whole lines are written to, without ever waiting.

Each write to a pipe is of at most 4096 bytes, what it takes whole or not at all, only where poll
says there is room, and without waiting where the kernel offers that: between poll and write another
process of the fleet may take the last page. O_NONBLOCK would do, and would change the descriptor
for whoever else has it.
"""

import errno
import os
import select
import stat
import sys

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # another may have torn its line just there
ROOM = 4095  # bytes in one write; PIPE_BUF on Linux, less the newline that mends a torn line


class Sink:
    """The lines of one writer; other processes may write to the same file."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._torn = False  # part of a line was written: the next one starts with a newline

    def fileno(self) -> int:
        return self._fd

    def put(self, lines: bytes) -> int:
        """Write lines, each with its newline; return how many bytes of whole ones were taken.

        What a torn line lacks is lost, since others may have written since; it is ended, and can be
        put again. Raises OSError where the kernel takes nothing: no reader, no space.
        """
        if not has_room(self._fd):
            return 0
        mending = int(self._torn)
        try:
            written = _write(self._fd, b"\n" * mending + lines) - mending
        except OSError as error:
            self._torn |= error.errno in FULL
            raise
        if written < 0:
            return 0
        whole = lines.rfind(b"\n", 0, written) + 1
        self._torn = whole < written
        return whole


def has_room(fd: int, timeout: float = 0) -> bool:
    """Whether a write would take something at once, or within *timeout* seconds.

    Raises BrokenPipeError for a full pipe that nobody reads: its room will not come.
    """
    poll = select.poll()  # a new one each time: two threads may not share one
    poll.register(fd, select.POLLOUT)
    seen = sum(events for _, events in poll.poll(timeout * 1000))
    if seen & select.POLLERR and not seen & select.POLLOUT:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
    return bool(seen & select.POLLOUT)


def _write(fd: int, data: bytes) -> int:
    mode = os.fstat(fd).st_mode
    if sys.platform == "linux" and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        try:
            return os.pwritev(fd, [data], -1, os.RWF_NOWAIT)
        except OSError as error:  # pipes have it since Linux 6.4
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ESPIPE):
                raise
    return os.write(fd, data)
