"""Pipes in the place of standard output: handed in, mended, and given up."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from prefork.wire.outlet import NOBODY, Desk, Origin, Outlet


@pytest.fixture
def desk() -> Iterator[Desk]:
    it = Desk.open()
    yield it
    for each in (it.sending, it.receiving):
        each.close()
    for descriptor in (it.stdout, it.stderr):
        os.close(descriptor)


@contextmanager
def restored() -> Iterator[None]:
    """Let the test replace this process's standard output and standard error."""
    kept = [os.dup(1), os.dup(2)]
    try:
        yield
    finally:
        for descriptor, before in zip((1, 2), kept, strict=True):
            os.dup2(before, descriptor)
            os.close(before)


def test_what_is_printed_comes_out_of_the_pipes_that_were_handed_in(desk: Desk) -> None:
    with restored():
        outlet = Outlet(desk, "w3")
        outlet.open()
        os.write(1, b"out")
        os.write(2, b"err")
    assert outlet.piped == [1, 2]
    for descriptor, said in ((1, b"out"), (2, b"err")):
        taken = desk.take()
        assert taken is not None
        origin, pipe = taken
        assert origin == Origin("w3", descriptor)
        assert pipe is not None
        assert os.read(pipe, 10) == said
        assert os.read(pipe, 10) == b""  # its only writer was what we restored
        os.close(pipe)
    assert desk.take() is None


def test_what_the_application_put_there_is_left_alone(desk: Desk) -> None:
    with restored():
        outlet = Outlet(desk, "w0")
        outlet.open()
        reading, writing = os.pipe()
        os.dup2(reading, 1)
        assert not outlet.mend(1)
        assert os.path.samestat(os.fstat(1), os.fstat(reading))
        os.close(2)
        assert not outlet.mend(2)
    os.close(reading)
    os.close(writing)


def test_without_a_desk_nothing_is_replaced() -> None:
    before = os.fstat(1)
    outlet = Outlet(None, "w0")
    outlet.open()
    assert outlet.piped == []
    assert os.path.samestat(before, os.fstat(1))


def test_a_pipe_that_nobody_reads_is_replaced_by_another(desk: Desk) -> None:
    with restored():
        outlet = Outlet(desk, "w0")
        outlet.open()
        first = desk.take()
        assert first is not None
        assert first[1] is not None
        os.close(first[1])
        assert outlet.mend(1)
        os.write(1, b"again")
    desk.take()
    second = desk.take()
    assert second is not None
    assert second[1] is not None
    assert os.read(second[1], 10) == b"again"


def test_where_nobody_takes_pipes_the_original_is_back(desk: Desk) -> None:
    original = os.fstat(desk.stdout)
    with restored():
        outlet = Outlet(desk, "w0")
        outlet.open()
        desk.receiving.close()
        assert not outlet.mend(1)
        assert os.path.samestat(os.fstat(1), original)


def test_a_desk_that_is_full_for_too_long_counts_as_nobody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prefork.wire.outlet.PATIENCE", 0.01)

    def fill() -> None:
        for _ in range(100_000):
            desk.hand_in(Origin("w0", 1))

    with pytest.raises(BlockingIOError):
        fill()


def test_the_end_is_told_apart_from_a_pipe_that_was_lost(desk: Desk) -> None:
    desk.hand_in(Origin("w0", 1))  # its descriptor found no room
    desk.hand_in(NOBODY)
    assert desk.take() == (Origin("w0", 1), None)
    assert desk.take() == (NOBODY, None)
