"""The primary asks, a worker answers; neither ever waits for the other."""

import faulthandler
import os
from collections.abc import Iterator
from contextlib import closing

import pytest

from prefork.wire import inquiry
from prefork.wire.inquiry import Inquirer, Respondent

Pair = tuple[Inquirer, Respondent]
PAGES = 65536  # bytes in a pipe


@pytest.fixture
def ends() -> Iterator[Pair]:
    inquirer, respondent = inquiry.pair()
    with closing(inquirer), closing(respondent):
        yield inquirer, respondent


def test_the_number_of_the_latest_inquiry_is_what_a_worker_takes(ends: Pair) -> None:
    inquirer, respondent = ends
    first = inquirer.ask()
    assert respondent.take() == first
    assert respondent.take() is None
    numbers = {inquirer.ask() for _ in range(3)}
    assert first not in numbers
    assert respondent.take() in numbers
    assert respondent.take() is None


def test_numbers_begin_anew_when_a_byte_has_no_more(ends: Pair) -> None:
    inquirer, respondent = ends
    for _ in range(600):
        number = inquirer.ask()
        assert respondent.take() == number


def test_asking_whoever_does_not_listen_does_not_wait(ends: Pair) -> None:
    inquirer, respondent = ends
    for _ in range(PAGES + 10):
        inquirer.ask()
    os.close(respondent.asked)
    inquirer.ask()  # nor fail
    os.dup2(respondent.answering, respondent.asked)


def test_what_is_answered_is_read_whole_and_then_nothing(ends: Pair) -> None:
    inquirer, respondent = ends
    assert inquirer.read() == b""
    os.write(respondent.answering, b"one")
    os.write(respondent.answering, b"two")
    assert inquirer.read() == b"onetwo"
    assert inquirer.read() == b""


def test_the_end_of_a_worker_is_told_after_its_last_words() -> None:
    inquirer, respondent = inquiry.pair()
    with closing(inquirer):
        os.write(respondent.answering, b"last")
        respondent.close()
        assert inquirer.read() == b"last"
        assert inquirer.read() is None


def test_the_end_of_the_primary_is_no_inquiry() -> None:
    inquirer, respondent = inquiry.pair()
    with closing(respondent):
        inquirer.close()
        assert respondent.take() is None


def test_dumps_that_nobody_reads_are_cut_and_wedge_nobody(ends: Pair) -> None:
    inquirer, respondent = ends
    for _ in range(1000):
        faulthandler.dump_traceback(respondent.answering)
    said = inquirer.read()
    assert said is not None
    assert PAGES / 2 < len(said) <= PAGES


def test_whoever_writes_as_fast_as_we_read_is_read_so_much_and_no_more(
    ends: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    inquirer, respondent = ends
    reads = 4  # of a full pipe
    monkeypatch.setattr(inquiry, "CHUNK", PAGES // reads // inquiry.MOST_CHUNKS)
    os.write(respondent.answering, bytes(PAGES))
    for _ in range(reads):
        assert len(inquirer.read() or b"") == PAGES // reads
    assert inquirer.read() == b""
