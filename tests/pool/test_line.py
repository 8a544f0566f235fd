import os
import socket
from collections.abc import Iterator

import pytest

from prefork.errors import RemoteError
from prefork.pool.codec import LARGE, Parcel
from prefork.pool.line import Frame, Kind, Line


@pytest.fixture
def ends() -> Iterator[tuple[Line, Line]]:
    one, other = socket.socketpair()
    lines = Line(one), Line(other)
    yield lines
    for each in lines:
        each.close()


def test_a_frame_arrives_as_it_was_sent(ends: tuple[Line, Line]) -> None:
    near, far = ends
    near.send(Kind.RUN, 2**63, ticket=7, at=5, parcel=Parcel(b"body"))
    [frame] = far.receive()
    assert frame == Frame(Kind.RUN, 2**63, 7, 5, Parcel(b"body"))


def test_frames_come_in_order_however_they_were_cut(ends: tuple[Line, Line]) -> None:
    near, far = ends
    for number in range(50):
        near.send(Kind.RESULT, number, parcel=Parcel(bytes(number * 100)))
    frames = far.drain()
    assert [each.number for each in frames] == list(range(50))
    assert all(len(each.parcel.body) == each.number * 100 for each in frames)


def test_what_is_large_comes_by_a_file(ends: tuple[Line, Line]) -> None:
    near, far = ends
    before = len(os.listdir("/dev/fd"))
    data = os.urandom(3 * LARGE)
    near.send(Kind.RUN, 1, parcel=Parcel(b"body", [memoryview(data)]))
    near.send(Kind.RUN, 2, parcel=Parcel(data))
    first, second = far.drain()
    assert list(first.parcel.sizes) == [4, len(data)]
    assert list(second.parcel.sizes) == [len(data)]
    assert second.parcel.file is not None
    assert os.pread(second.parcel.file.descriptor, 100, 0) == data[:100]
    del first, second
    assert len(os.listdir("/dev/fd")) == before


def test_what_finds_no_room_is_sent_later(ends: tuple[Line, Line]) -> None:
    near, far = ends
    sent = 0
    while not near.unsent:
        near.send(Kind.ITEM, sent, parcel=Parcel(bytes(50_000)))
        sent += 1
    near.send(Kind.ITEM, sent, parcel=Parcel(b"", [memoryview(bytes(LARGE))]))
    frames = []
    while near.unsent:
        near.flush()
        frames += far.drain()
    frames += far.drain()
    assert [each.number for each in frames] == list(range(sent + 1))
    assert list(frames[-1].parcel.sizes) == [0, LARGE]


def test_the_end_of_the_other_end_is_seen_after_all_it_said(ends: tuple[Line, Line]) -> None:
    near, far = ends
    near.send(Kind.RESULT, 1)
    near.close()
    assert [each.number for each in far.drain()] == [1]
    assert far.is_ended
    far.send(Kind.RUN, 2)  # nobody reads it, and nothing is raised


def test_a_table_without_a_file_is_no_frame(ends: tuple[Line, Line]) -> None:
    near, far = ends
    near.send(Kind.RUN, 1, parcel=Parcel(b"", [memoryview(bytes(LARGE))]))
    data = far.sock.recv(1000)  # the descriptor is lost by that
    near.sock.send(data)
    with pytest.raises(RemoteError, match="without its descriptor"):
        far.receive()
