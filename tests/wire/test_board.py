"""The board is shared between processes, and each line is apart."""

import os

import pytest

from prefork.wire.board import LINE_BYTES, Board, Field, Share


def test_every_field_has_its_own_word_on_the_line() -> None:
    fields = [number for name, number in vars(Field).items() if name.isupper()]
    assert len(set(fields)) == len(fields) > 10
    assert max(fields) < LINE_BYTES // 8


def test_lines_do_not_touch() -> None:
    board = Board(3)
    board.line(1)[Field.REQUESTS] = 2**64 - 1
    board.line(1)[LINE_BYTES // 8 - 1] = 7
    assert set(board.line(0)) | set(board.line(2)) == {0}
    board.clear(1)
    assert set(board.line(1)) == {0}


@pytest.mark.parametrize("number", [-1, 3])
def test_there_are_no_lines_beyond_the_board(number: int) -> None:
    board = Board(3)
    assert len(board) == 3
    with pytest.raises(IndexError):
        board.line(number)


def test_what_a_child_writes_its_parent_reads() -> None:
    board = Board(1)
    pid = os.fork()
    if pid == 0:
        board.line(0)[Field.ACCEPTED] = 42
        os._exit(0)
    os.waitpid(pid, 0)
    assert board.line(0)[Field.ACCEPTED] == 42


def test_who_maps_it_again_by_its_descriptor_has_the_same_lines() -> None:
    board = Board(3)
    same = Board.of(os.dup(board.fileno()))
    assert len(same) == 3
    same.line(2)[Field.REQUESTS] = 7
    assert board.line(2)[Field.REQUESTS] == 7


def test_no_program_inherits_it_unasked() -> None:
    assert not os.get_inheritable(Board(1).fileno())


def test_shares_of_a_line_add_up() -> None:
    line = Board(1).line(0)
    first, second = Share(line), Share(line)
    first[Field.CONNECTIONS] = 3
    second[Field.CONNECTIONS] = 2
    assert (first[Field.CONNECTIONS], line[Field.CONNECTIONS]) == (3, 5)
    first[Field.CONNECTIONS] -= 2
    assert (first[Field.CONNECTIONS], line[Field.CONNECTIONS]) == (1, 3)
    assert second[Field.REQUESTS] == 0
