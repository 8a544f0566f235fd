import os
import resource
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefork.sink import ROOM, Sink, has_room


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def fill(fd: int) -> int:
    """Put lines until no more fits; return how many bytes were taken."""
    sink, taken = Sink(fd), 0
    line = b"." * (ROOM - 1) + b"\n"
    while written := sink.put(line):
        taken += written
    return taken


def test_a_pipe_takes_a_write_whole_or_not_at_all(pipe: tuple[int, int]) -> None:
    taken = fill(pipe[1])
    assert taken % ROOM == 0
    assert not has_room(pipe[1])
    assert os.get_blocking(pipe[1])  # it is others' too


def test_a_pipe_without_a_reader_says_so() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        Sink(writing).put(b"a\n")
    os.close(writing)


def test_of_a_write_cut_short_the_whole_lines_count_and_the_torn_one_is_ended() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        sink, sent, line = Sink(ours.fileno()), b"", b"x" * 99 + b"\n"
        lines = line * 10_000  # far more than fits: it is cut somewhere
        whole = sink.put(lines)
        sent += theirs.recv(1 << 20)
        assert 0 < whole <= len(sent) < len(lines)
        assert whole % len(line) == 0
        assert sink.put(b"next\n") == len(b"next\n")
        rest = sent[whole:] + theirs.recv(1 << 20)
        assert rest == (line[: len(sent) - whole] + b"\n" if len(sent) > whole else b"") + b"next\n"


def test_a_full_disk_tears_one_line_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "log"
    child = os.fork()
    if child == 0:  # the limit is the child's own
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (25, resource.RLIM_INFINITY))
        sink = Sink(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
        taken = sink.put(b"123456789\n" * 5)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        sink.put(b"123456789\n" * 3)
        os._exit(taken)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 20
    assert path.read_bytes() == b"123456789\n" * 2 + b"12345\n" + b"123456789\n" * 3
