"""Memory that is lent by way of the control socket."""

import gc
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.control.rig import Rig
from tests.support.instance import instance, result

from prefork.control.attachment import attach
from prefork.control.client import Client
from prefork.control.protocol import Request
from prefork.errors import SharedMemoryError
from prefork.memory.source import Grant
from prefork.wire.channel import read
from prefork.wire.descriptors import close_all


def turned(rig: Rig, does: Callable[[], Grant]) -> Grant:
    """Have another thread do it, while the primary turns."""
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(does)
        while not done.done():
            rig.settle()
        return done.result()


def test_all_are_lent_the_same_memory(rig: Rig) -> None:
    one, other = (turned(rig, lambda: attach(str(rig.path), "sum", 8)) for _ in "ab")
    os.pwrite(one.descriptor, b"12345678", 0)
    assert os.pread(other.descriptor, 8, 0) == b"12345678"
    assert os.pread(rig.store.take("sum", 8), 8, 0) == b"12345678"
    assert not os.get_inheritable(one.descriptor)
    for each in (one, other):
        assert each.is_locked == (rig.store.atomics == "lock")
        os.close(each.descriptor)


def test_a_refusal_names_the_instance_and_the_key(rig: Rig) -> None:
    rig.store.take("sum", 16)
    with pytest.raises(SharedMemoryError, match="shop: the key 'sum' has 16 bytes, not 8"):
        turned(rig, lambda: attach(str(rig.path), "sum", 8))


def test_many_are_asked_for_at_once_and_each_has_its_descriptor(rig: Rig) -> None:
    caller = rig.caller()
    lines = [
        b'{"prefork":1,"verb":"memory","key":"%d","bytes":8}\n' % number for number in range(30)
    ]
    caller.whisper(b"".join(lines) + b'{"prefork":1,"verb":"memory","key":"0","bytes":9}\n')
    rig.settle()
    _, descriptors, is_cut = read(caller.socket, 1 << 16, socket.CMSG_SPACE(253 * 4))
    assert (len(descriptors), is_cut) == (30, False)
    for number, descriptor in enumerate(descriptors):
        assert os.path.sameopenfile(descriptor, rig.store.take(str(number), 8))
        os.close(descriptor)


def test_each_answer_on_one_connection_has_its_own_descriptor_alone(rig: Rig) -> None:
    caller = rig.caller()
    for verb, count in (("memory", 1), ("stats", 0), ("memory", 1)):
        caller.say(verb, key="sum", bytes=8)
        rig.settle()
        _, descriptors, _ = read(caller.socket, 1 << 16)
        assert len(descriptors) == count
        close_all(descriptors)


@pytest.mark.parametrize("fields", [{}, {"key": "a"}, {"bytes": 8}], ids=str)
def test_a_request_without_key_or_size_is_refused(rig: Rig, fields: dict[str, object]) -> None:
    [answer] = rig.ask("memory", **fields)
    assert answer == {"error": '`memory` takes "key", a text, and "bytes", a whole number'}


def test_who_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(SharedMemoryError, match="no instance called shop is running"):
        attach(str(path), "sum", 8)
    with pytest.raises(SharedMemoryError, match="not a name of an instance: '-'"):
        attach("-", "sum", 8)


def test_an_answer_without_a_descriptor_is_said_to_have_none(path: Path) -> None:
    with (
        instance(path, lambda _: [result(bytes=8, atomics="lock")]) as seen,
        pytest.raises(SharedMemoryError, match="no descriptor is free for the memory of the key"),
    ):
        attach(str(path), "sum", 8)
    assert seen == [{"prefork": 1, "verb": "memory", "key": "sum", "bytes": 8}]


def test_a_descriptor_that_nobody_took_is_closed_with_its_client(rig: Rig) -> None:
    gc.collect()  # what tests before left is not closed meanwhile
    before = len(os.listdir("/proc/self/fd"))

    def ask() -> Grant:
        with Client(rig.path) as client:
            client.ask(Request("memory", key="sum", bytes=8))
        return Grant(-1, False)

    turned(rig, ask)
    rig.settle()
    rig.store.take("sum", 8)
    assert len(os.listdir("/proc/self/fd")) == before + 1  # the store's
