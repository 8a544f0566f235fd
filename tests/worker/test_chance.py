"""Processes forked from one template draw numbers of their own."""

import os

import numpy

from prefork.worker import chance


def drawn() -> bytes:
    """Draw in a child that is forked now."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        chance.reseed()
        os.write(writing, repr(numpy.random.rand()).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    said = os.read(reading, 100)
    os.close(reading)
    os.close(writing)
    return said


def test_two_forks_draw_different_numbers_of_numpys_own() -> None:
    assert drawn() != drawn()
