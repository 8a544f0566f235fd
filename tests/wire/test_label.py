"""A label is read as it was written, or not at all."""

import os

import pytest

from prefork.wire import label
from prefork.wire.board import Board, Field


def test_what_is_written_is_read_in_another_process() -> None:
    board = Board(1)
    pid = os.fork()
    if pid == 0:
        label.write(board.line(0), "thumbnails:resize")
        os._exit(0)
    os.waitpid(pid, 0)
    assert label.read(board.line(0)) == "thumbnails:resize"


def test_a_new_one_leaves_nothing_of_a_longer_old_one() -> None:
    line = Board(1).line(0)
    assert label.read(line) == ""
    label.write(line, "a_rather_long_one")
    label.write(line, "short")
    assert label.read(line) == "short"
    label.write(line, "")
    assert label.read(line) == ""


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x" * 120, "x" * 120),
        ("x" * 121, "x" * 120),
        ("x" * 119 + "é", "x" * 119),
        ("é" * 61, "é" * 60),
        ("\ud800", "?"),
    ],
    ids=["as_much_as_goes", "too_long", "half_a_letter", "letters_of_two_bytes", "no_letter"],
)
def test_what_does_not_fit_is_cut_at_a_letter(text: str, kept: str) -> None:
    line = Board(1).line(0)
    label.write(line, text)
    assert label.read(line) == kept


def test_numbers_and_other_lines_are_left_alone() -> None:
    board = Board(3)
    label.write(board.line(1), "x" * 200)
    assert set(board.line(0)) | set(board.line(2)) == {0}
    fields = [number for name, number in vars(Field).items() if name.isupper()]
    assert {board.line(1)[each] for each in fields} == {0}


def test_what_its_writer_left_half_written_is_not_read() -> None:
    line = Board(1).line(0)
    label.write(line, "whole")
    line[40] += 1  # as it is while one is being written
    assert label.read(line) == ""


class Racing:
    """A line on which another text is written after the first one was read."""

    def __init__(self) -> None:
        self._line = Board(1).line(0)
        self._rewrites = 1
        label.write(self._line, "the first")

    def __getitem__(self, at: int | slice) -> object:
        found = self._line[at]
        if isinstance(at, slice) and self._rewrites:
            self._rewrites -= 1
            found = memoryview(bytes(found))
            label.write(self._line, "the second")
        return found


def test_one_that_changes_while_it_is_read_is_read_again() -> None:
    assert label.read(Racing()) == "the second"  # type: ignore[arg-type]
