"""The lock by which numbers are changed where there is no libatomic."""

import fcntl
import itertools
import os
import struct
import sys
from types import FrameType
from typing import Any

import pytest
from tests.memory.children import exit_codes, fork

from prefork import SharedArray
from prefork.memory import source
from prefork.memory.source import Grant
from prefork.memory.store import Store
from prefork.wire.descriptors import close_others

FLOCK = struct.Struct("hhqqi4x")

pytestmark = [
    pytest.mark.parametrize("atomics", ["lock"], indirect=True),
    pytest.mark.skipif(not hasattr(fcntl, "F_OFD_GETLK"), reason="only Linux has such locks"),
]


class InterruptionError(Exception):
    """What a signal's handler raises."""


def interrupt_at(place: int) -> None:
    """Raise at the so-many-th place from here at which CPython looks at signals."""
    places = itertools.count()

    def look(_frame: FrameType, event: str, _about: Any) -> None:
        if event in ("call", "c_return") and next(places) == place:
            sys.setprofile(None)
            raise InterruptionError

    sys.setprofile(look)


def is_held(file: int) -> bool:
    """Whether somebody has any byte of it locked."""
    seen = fcntl.fcntl(file, fcntl.F_OFD_GETLK, FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    kind: int = FLOCK.unpack(seen)[0]
    return kind != fcntl.F_UNLCK


def test_whatever_interrupts_it_leaves_nothing_locked(own: Store) -> None:
    array = SharedArray("number", "q", 1)
    array.add(0)
    file = os.open(f"/proc/self/fd/{own.take('number', 8)}", os.O_RDWR)
    interrupted = 0
    for place in itertools.count():
        try:
            interrupt_at(place)
            array.add(0)
        except InterruptionError:
            interrupted += 1
        else:
            break
        finally:
            sys.setprofile(None)
        assert not is_held(file), f"interrupted at its place {place}"
    assert interrupted > 5
    os.close(file)


def lend(_instance: str, _key: str, _size: int) -> Grant:
    """Do what a primary does."""
    return Grant(os.dup(lent[0]), is_locked=True)


lent: list[int] = []


def test_a_primarys_child_locks_the_same_file_with_what_it_has_from_before(
    own: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = SharedArray("number", "q", 1)
    array.add(0)
    monkeypatch.setattr(source, "ATTACH", f"{__name__}:lend")
    monkeypatch.setattr(sys.modules[__name__], "lent", [own.take("number", 8)])

    def child() -> None:
        lent[:] = [os.dup(lent[0])]
        close_others(lent)
        source.inherit("/an/instance")
        others = [os.open(os.devnull, os.O_RDWR) for _ in range(20)]
        assert array.add(0) == 2
        for each in range(min(others), max(others) + 20):  # it has opened one anew, and only this
            if each not in (*others, *lent) and is_open(each):
                assert os.path.samestat(os.fstat(each), os.fstat(lent[0]))
                return
        raise AssertionError("the file was not opened")

    assert exit_codes(fork(child)) == [0]
    assert array[0] == 2


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
