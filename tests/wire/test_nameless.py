"""A nameless file is memory of the size that was asked for, and nobody inherits it unasked."""

import os

from prefork.wire.nameless import nameless_file


def test_it_has_as_many_zeros_as_were_asked_for() -> None:
    descriptor = nameless_file("test", 5000)
    assert os.pread(descriptor, 6000, 0) == bytes(5000)
    os.close(descriptor)


def test_no_program_inherits_it_unasked() -> None:
    descriptor = nameless_file("test", 1)
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)
