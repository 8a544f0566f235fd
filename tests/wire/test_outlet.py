"""Pipes in the place of standard output: handed in, and what is there where nobody takes them."""

import array
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.printing import close, no_descriptor_left, restored

from prefork.errors import RemoteError
from prefork.wire.complaint import Complaint
from prefork.wire.descriptors import close_all, count_open
from prefork.wire.outlet import NOBODY, Desk, Origin, Tray, divert, identity, write_by_line

GOOD = b'{"tag":"w0","descriptor":1}'


@dataclass(frozen=True)
class Pipe:
    reading: int
    writing: int


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    it = Pipe(*os.pipe())
    yield it
    close_all([it.reading, it.writing])


@pytest.fixture
def desk() -> Iterator[Desk]:
    it = Desk.open()
    yield it
    close(it)


def test_what_is_printed_comes_out_of_the_pipes_that_were_handed_in(desk: Desk) -> None:
    with restored():
        divert(desk, "w3")
        os.write(1, b"out")
        os.write(2, b"err")
    for descriptor, said in ((1, b"out"), (2, b"err")):
        taken = desk.tagging.take()
        assert taken is not None
        origin, pipe = taken
        assert (origin.tag, origin.descriptor) == ("w3", descriptor)
        assert pipe is not None
        assert not os.get_inheritable(pipe)
        assert os.read(pipe, 10) == said
        assert os.read(pipe, 10) == b""  # its only writer was what we restored
        os.close(pipe)
    assert desk.tagging.take() is None


def test_each_pipe_is_handed_in_to_be_kept_too(desk: Desk) -> None:
    with restored():
        divert(desk, "w3")
    for _ in (1, 2):
        tagged, kept = desk.tagging.take(), desk.keeping.take()
        assert tagged is not None
        assert kept is not None
        assert tagged[0] == kept[0]
        assert tagged[1] is not None
        assert kept[1] is not None
        assert identity(tagged[1]) == identity(kept[1])
        os.close(tagged[1])
        os.close(kept[1])
    assert desk.keeping.take() is None


def test_lines_are_written_at_once() -> None:
    before = sys.stdout.line_buffering
    write_by_line()
    assert sys.stdout.line_buffering
    sys.stdout.reconfigure(line_buffering=before)  # type: ignore[union-attr]


def test_without_a_desk_nothing_is_replaced() -> None:
    before = os.fstat(1)
    divert(None, "w0")
    assert os.path.samestat(before, os.fstat(1))


@pytest.mark.parametrize("tray", ["tagging", "keeping"])
def test_where_nobody_takes_pipes_the_original_is_back(desk: Desk, tray: str) -> None:
    original = os.fstat(desk.stdout)
    with restored():
        divert(desk, "t1")
        assert not os.path.samestat(os.fstat(1), original)
        getattr(desk, tray).close()
        divert(desk, "w0")
        assert os.path.samestat(os.fstat(1), original)


def test_one_that_is_closed_takes_nothing_though_a_copy_of_it_is_open(desk: Desk) -> None:
    copy = desk.tagging.receiving.dup()
    desk.tagging.close()
    with pytest.raises(OSError, match=r"Broken pipe|Connection reset"):
        desk.tagging.put(Origin("w0", 1))
    copy.close()


def test_a_desk_that_is_full_for_too_long_counts_as_nobody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefork.wire.outlet.PATIENCE", 0.01)
    for _ in range(64):  # of 32 processes at a time, while the primary is busy
        desk.hand_in(Origin("w0", 1), 0)

    def fill() -> None:
        for _ in range(100_000):
            desk.hand_in(Origin("w0", 1), 0)

    with pytest.raises(BlockingIOError):
        fill()


def test_who_prints_untagged_since_nobody_took_its_pipes_in_time_says_so(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("prefork.wire.outlet.PATIENCE", 0.01)
    for _ in range(100):  # more than what `put` finds room for
        send(desk.keeping, GOOD, [])
    with restored():
        divert(desk, "w7")
    said = capfd.readouterr().err
    assert "output_untagged who=w7 stream=1" in said
    assert "output_untagged who=w7 stream=2" in said


def test_the_end_is_told_apart_from_a_pipe_that_was_lost(desk: Desk, pipe: Pipe) -> None:
    desk.tagging.put(Origin("w0", 1), pipe.reading)
    with no_descriptor_left():
        assert desk.tagging.take() == (Origin("w0", 1), None)
    desk.tagging.put(NOBODY)
    assert desk.tagging.take() == (NOBODY, None)


def test_an_executed_program_hands_in_by_what_it_has_kept(desk: Desk) -> None:
    again = Desk.of(desk.kept)
    assert again.kept == desk.kept
    again.tagging.put(NOBODY)
    assert desk.tagging.take() == (NOBODY, None)
    for tray in (again.tagging, again.keeping):
        tray.sending.detach()


# -- what is no message of ours: whoever sent it, nobody else pays for it ------


def send(tray: Tray, said: bytes, descriptors: list[int]) -> None:
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
    tray.sending.sendmsg([said], [rights])


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"x",
        b"\xff" * 5000,
        b'{"tag":"\xff","descriptor":1}',
        b'{"tag":"w0","descriptor":3}',
        b'{"tag":"w0","descriptor":0}',
        b'{"tag":"w0\\n","descriptor":1}',
        b'{"tag":"%b","descriptor":1}' % (b"w" * 100),
        b'{"x":' + b"[" * 5000,
    ],
    ids=lambda said: repr(said[:30]),
)
def test_garbage_is_dropped_with_its_pipe(desk: Desk, pipe: Pipe, said: bytes) -> None:
    before = count_open()
    send(desk.keeping, said, [pipe.reading])
    with pytest.raises(RemoteError):
        desk.keeping.take()
    assert desk.keeping.take() is None
    assert count_open() == before


def kinds(pipe: Pipe, place: Path) -> Iterator[tuple[str, list[int]]]:
    """What belongs to no message of ours; all of it but the pipe's ends is to be closed."""
    yield "none", []
    yield "the writing end", [pipe.writing]
    yield "a file", [os.open(place / "file", os.O_RDONLY | os.O_CREAT)]
    yield "a path to a pipe", [os.open(f"/proc/self/fd/{pipe.reading}", os.O_PATH)]
    yield "two", [pipe.reading] * 2
    yield "two hundred", [pipe.reading] * 200


def test_what_comes_without_one_pipe_to_read_from_is_dropped(
    desk: Desk, pipe: Pipe, tmp_path: Path
) -> None:
    for name, descriptors in kinds(pipe, tmp_path):
        before = count_open()
        send(desk.keeping, GOOD, descriptors)
        with pytest.raises(RemoteError):
            desk.keeping.take()
        assert count_open() == before, name
        close_all(set(descriptors) - {pipe.reading, pipe.writing})


def test_the_last_word_has_no_pipe(desk: Desk, pipe: Pipe) -> None:
    desk.tagging.put(NOBODY, pipe.reading)
    with pytest.raises(RemoteError):
        desk.tagging.take()


def test_garbage_hides_nothing_that_comes_after_it_and_is_told_once(
    desk: Desk, pipe: Pipe, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefork.wire.outlet._garbage", Complaint("output_garbage"))
    for _ in range(9):
        send(desk.keeping, b"x", [])
    desk.keeping.put(Origin("w1", 2), pipe.reading)
    assert list(desk.keeping.take_some(9)) == []
    [(origin, taken)] = desk.keeping.take_some(9)
    assert origin == Origin("w1", 2)
    assert taken is not None
    os.close(taken)
    assert capfd.readouterr().err.count("output_garbage") == 1


def test_an_end_that_a_child_has_shut_is_told_apart_from_an_empty_message(desk: Desk) -> None:
    send(desk.keeping, b"", [])
    with pytest.raises(RemoteError):
        desk.keeping.take()
    desk.keeping.sending.shutdown(socket.SHUT_RDWR)
    with pytest.raises(BrokenPipeError):
        desk.keeping.take()


def test_who_hands_in_never_waits_though_another_made_the_socket_wait(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefork.wire.outlet.has_room", lambda *_: True)  # as it was a moment ago
    os.set_blocking(desk.keeping.sending.fileno(), True)

    def fill() -> None:
        for _ in range(100_000):
            desk.keeping.put(NOBODY)

    with pytest.raises(BlockingIOError):
        fill()
