"""Pipes in the place of standard output: handed in, and what is there where nobody takes them."""

import os
import sys
from collections.abc import Iterator

import pytest
from tests.support.printing import close, restored

from prefork.wire.outlet import NOBODY, Desk, Origin, divert, identity, write_by_line


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
        assert origin == Origin("w3", descriptor)
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


def test_the_end_is_told_apart_from_a_pipe_that_was_lost(desk: Desk) -> None:
    desk.tagging.put(Origin("w0", 1))  # its descriptor found no room
    desk.tagging.put(NOBODY)
    assert desk.tagging.take() == (Origin("w0", 1), None)
    assert desk.tagging.take() == (NOBODY, None)


def test_an_executed_program_hands_in_by_what_it_has_kept(desk: Desk) -> None:
    again = Desk.of(desk.kept)
    assert again.kept == desk.kept
    again.tagging.put(NOBODY)
    assert desk.tagging.take() == (NOBODY, None)
    for tray in (again.tagging, again.keeping):
        tray.sending.detach()
