"""What a forked child keeps open."""

import os

import pytest

from prefork.errors import SettingsError
from prefork.wire import descriptors


def test_a_child_keeps_the_standard_ones_and_what_it_names() -> None:
    reading, writing = os.pipe()
    extra = os.dup(reading)
    pid = os.fork()
    if pid == 0:
        descriptors.close_others([writing])
        kept = sorted(set(descriptors._open_descriptors()))
        os.write(writing, repr((kept[:3], writing in kept, extra in kept)).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    assert os.read(reading, 100) == b"([0, 1, 2], True, False)"
    os.close(reading)
    os.close(extra)


def test_open_descriptors_are_counted() -> None:
    before = descriptors.count_open()
    reading, writing = os.pipe()
    assert descriptors.count_open() == before + 2
    os.close(reading)
    os.close(writing)


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    assert descriptors.raise_limit() == descriptors.limit()


def test_what_captures_output_needs_more_of_them() -> None:
    enough = (descriptors.limit() - descriptors.FEWEST) // descriptors.FOR_EACH
    descriptors.require(enough)
    with pytest.raises(SettingsError, match="the limit of open files is"):
        descriptors.require(enough, captures_output=True)
    with pytest.raises(SettingsError, match="raise it with `ulimit -n`"):
        descriptors.require(enough + 1)
