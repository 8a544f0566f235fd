"""The post over real socket pairs: what arrives, with which descriptors, and when to wait."""

import errno
import gc
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.scarcity import used_up

from prefork.errors import RemoteError
from prefork.wire import channel, descriptors
from prefork.wire.letters import MAX_DESCRIPTORS, MAX_PAYLOAD, Kind, Letter
from prefork.wire.post import BACKLOG, MOST_UNSENT, Post, decode, encode

MESSAGE = Kind.MESSAGE
LARGE = 800_000  # bytes


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    gc.collect()  # what other tests left is not closed meanwhile
    before = descriptors.count_open()
    yield
    assert descriptors.count_open() == before


@contextmanager
def ends() -> Iterator[tuple[Post, Post]]:
    one, other = (Post(sock) for sock in channel.pair())
    try:
        yield one, other
    finally:
        one.close()
        other.close()


def all_of(post: Post, count: int, *, sender: Post | None = None) -> list[Letter]:
    """Read so many letters, while *sender* writes what it can."""
    read: list[Letter] = []
    for _ in range(10_000):
        if len(read) >= count:
            return read
        if sender is not None:
            sender.flush()
        read += post.receive()
    raise AssertionError(f"only {len(read)} letters came")


def same_file(one: int, other: int) -> bool:
    return os.path.samestat(os.fstat(one), os.fstat(other))


def test_letters_arrive_in_order_both_ways() -> None:
    with ends() as (one, other):
        assert one.send(MESSAGE, 0, b"a")
        assert one.send(Kind.REQUEST, 7, b"b")
        assert other.send(Kind.REPLY, 7, b"c")
        assert all_of(other, 2) == [Letter(MESSAGE, 0, b"a"), Letter(Kind.REQUEST, 7, b"b")]
        assert all_of(one, 1) == [Letter(Kind.REPLY, 7, b"c")]
        assert one.receive() == []


def test_what_is_sent_before_there_is_a_line_arrives_once_there_is() -> None:
    near, far = channel.pair()
    one, other = Post(), Post(far)
    assert one.send(MESSAGE, 0, b"early", [0])
    assert not one.flush()
    assert one.receive() == []
    one.connect(near)
    assert one.flush()
    [letter] = all_of(other, 1)
    assert letter.payload == b"early"
    descriptors.close_all(letter.descriptors)
    one.close()
    other.close()


def test_a_descriptor_and_800_kb_of_payload_are_one_message() -> None:
    payload = os.urandom(LARGE)
    with ends() as (one, other), open(os.devnull, "rb") as file:
        assert one.send(MESSAGE, 0, payload, [file])
        [letter] = all_of(other, 1, sender=one)
        assert letter.payload == payload
        [received] = letter.descriptors
        assert same_file(received, file.fileno())
        assert not os.get_inheritable(received)
        os.close(received)


def test_the_senders_descriptors_stay_its_own_and_may_be_closed_at_once() -> None:
    with ends() as (one, other):
        reading, writing = os.pipe()
        one.send(MESSAGE, 0, bytes(LARGE))  # so that the next one waits
        one.send(MESSAGE, 0, b"", [writing])
        os.close(writing)
        _, letter = all_of(other, 2, sender=one)
        [received] = letter.descriptors
        os.write(received, b"x")
        os.close(received)
        assert os.read(reading, 2) == b"x"
        assert os.read(reading, 1) == b"", "somebody keeps it"
        os.close(reading)


def test_a_descriptor_arrives_with_its_own_message_when_several_are_read_at_once() -> None:
    files = [os.open(name, os.O_RDONLY) for name in (os.devnull, "/dev/zero", "/")]
    with ends() as (one, other):
        for number in range(12):
            one.send(MESSAGE, number, b"x" * number, [files[number // 4]] * (number % 4))
        for number, letter in enumerate(all_of(other, 12)):
            assert letter.number == number
            assert len(letter.descriptors) == number % 4
            assert all(same_file(each, files[number // 4]) for each in letter.descriptors)
            descriptors.close_all(letter.descriptors)
    descriptors.close_all(files)


def test_descriptors_sent_both_ways_at_once_do_not_deadlock() -> None:
    with ends() as (one, other):
        for number in range(200):
            for each in (one, other):
                each.send(MESSAGE, number, bytes(10_000), [0, 1])
        came = {one: 0, other: 0}
        for _ in range(10_000):
            for each in (one, other):
                each.flush()
                for letter in each.receive():
                    assert letter.number == came[each]
                    assert len(letter.descriptors) == 2
                    came[each] += 1
                    descriptors.close_all(letter.descriptors)
        assert came == {one: 200, other: 200}


def test_as_many_descriptors_go_along_as_the_kernel_takes() -> None:
    with ends() as (one, other):
        for _ in range(2):
            one.send(MESSAGE, 0, b"", [0] * MAX_DESCRIPTORS)
        for letter in all_of(other, 2, sender=one):
            assert len(letter.descriptors) == MAX_DESCRIPTORS
            descriptors.close_all(letter.descriptors)
        with pytest.raises(ValueError, match="not 254"):
            one.send(MESSAGE, 0, b"", [0] * (MAX_DESCRIPTORS + 1))


def test_what_is_no_descriptor_is_an_error_and_nothing_is_sent() -> None:
    closed = open(os.devnull, "rb")  # noqa: SIM115 - it is to be closed
    closed.close()
    with ends() as (one, other):
        with pytest.raises(OSError, match="Bad file"):
            one.send(MESSAGE, 0, b"", [0, 999_999])
        with pytest.raises(ValueError, match="closed file"):
            one.send(MESSAGE, 0, b"", [0, closed])
        with pytest.raises(ValueError, match="at most"):
            one.send(MESSAGE, 0, bytes(MAX_PAYLOAD + 1), [0])
        assert other.receive() == []


# -- back-pressure -----------------------------------------------------------


def test_send_returns_false_under_backlog_and_true_after() -> None:
    with ends() as (one, other):
        count = 1
        while one.send(MESSAGE, 0, bytes(100_000)):
            count += 1
        assert BACKLOG < count * 100_000 < 2 * BACKLOG
        all_of(other, count, sender=one)
        assert one.flush()
        assert one.has_room
        assert one.send(MESSAGE, 0, b"")


def test_over_16_mib_unsent_nothing_more_is_taken_and_what_was_arrives(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with ends() as (one, other):
        for _ in range(2):
            one.send(MESSAGE, 0, bytes(MOST_UNSENT // 2 + LARGE))
        for _ in range(5):
            assert not one.send(MESSAGE, 1, b"dropped", [0])
        assert len(all_of(other, 2, sender=one)) == 2
        assert one.send(MESSAGE, 2, b"")
        assert all_of(other, 1) == [Letter(MESSAGE, 2, b"")]
    told = capfd.readouterr().err
    assert told.count("messages_dropped") == 1
    assert "it does not read" in told


def test_a_peer_that_does_not_read_can_not_take_all_descriptors_nor_a_million_objects() -> None:
    with ends() as (one, _other):
        before = descriptors.count_open()
        for _ in range(3000):
            one.send(MESSAGE, 0, b"", [0, 1])
        assert descriptors.count_open() - before <= MOST_UNSENT // 16384 + MAX_DESCRIPTORS
    with ends() as (one, _other):
        for _ in range(100_000):
            one.send(MESSAGE, 0, b"")
        assert len(one._outbox) <= MOST_UNSENT // 256 + 1


def test_a_letter_as_large_as_may_be_is_taken_beside_others() -> None:
    with ends() as (one, other):
        assert not one.send(MESSAGE, 0, bytes(MAX_PAYLOAD))
        assert not one.send(MESSAGE, 1, bytes(MAX_PAYLOAD)), "dropped: the first fills the line"
        [letter] = all_of(other, 1, sender=one)
        assert len(letter.payload) == MAX_PAYLOAD


def test_a_turn_reads_no_more_than_64_kib() -> None:
    with ends() as (one, other):
        for _ in range(200):
            one.send(MESSAGE, 0, bytes(1000))
        assert 0 < len(other.receive()) <= 65


# -- the end -----------------------------------------------------------------


def test_the_end_is_told_after_the_last_words() -> None:
    with ends() as (one, other):
        one.send(MESSAGE, 0, b"bye")
        one.close()
        assert all_of(other, 1) == [Letter(MESSAGE, 0, b"bye")]
        assert other.receive() == []
        assert other.is_ended
        assert not other.send(MESSAGE, 0, b"anybody?")


def test_send_after_close_returns_false_and_raises_for_nobodys_sake() -> None:
    with ends() as (one, other):
        other.close()
        assert not one.send(MESSAGE, 0, b"x", [0])
        assert not one.send(MESSAGE, 0, b"x", [0])
        assert one.flush()
        one.receive()
        assert one.is_ended


def test_what_is_unsent_when_the_peer_closes_is_closed_here() -> None:
    with ends() as (one, other):
        one.send(MESSAGE, 0, bytes(LARGE))
        one.send(MESSAGE, 0, b"", [0, 0])
        other.close()
        before = descriptors.count_open()
        assert one.flush()
        assert descriptors.count_open() == before - 2


def test_a_letter_that_its_sender_did_not_finish_is_no_misbehaviour_and_keeps_nothing_open() -> (
    None
):
    with ends() as (one, other):
        one.send(MESSAGE, 0, bytes(LARGE), [0])
        one.close()
        while not other.is_ended:
            assert other.receive() == []


def test_it_is_dry_when_there_was_nothing_to_read_and_not_after_a_piece_of_a_letter() -> None:
    with ends() as (one, other):
        one.send(MESSAGE, 0, bytes(LARGE))
        assert other.receive() == []
        assert not other.is_dry
        while not other.is_dry:
            other.receive()
        one.close()
        while not other.is_ended:
            other.receive()
        assert other.is_dry


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100])
def test_garbage_from_the_peer_raises(garbage: bytes) -> None:
    mine, theirs = channel.pair()
    socket.send_fds(theirs, [garbage], [0])
    post = Post(mine)
    with pytest.raises(RemoteError):
        post.receive()
    post.close()
    theirs.close()


class Refusing(socket.socket):
    """One of which the kernel wants no descriptors, or has no memory for."""

    number = 0

    def sendmsg(self, data: Any, rights: Any = (), *_: Any) -> int:
        if not rights:
            return super().sendmsg(data)
        raise OSError(self.number, os.strerror(self.number))


def test_while_too_many_descriptors_are_on_their_way_a_letter_with_more_is_dropped(
    capfd: pytest.CaptureFixture[str],
) -> None:
    ours, theirs = channel.pair()
    sock = Refusing(fileno=ours.detach())
    sock.number = errno.ETOOMANYREFS
    one, other = Post(sock, "worker 3"), Post(theirs)
    assert one.send(MESSAGE, 1, b"dropped", [0])
    assert one.send(MESSAGE, 2, b"after it")
    assert all_of(other, 1) == [Letter(MESSAGE, 2, b"after it")]
    assert 'messages_dropped to="worker 3" reason="Too many references' in capfd.readouterr().err
    one.close()
    other.close()


def test_what_the_kernel_has_no_memory_for_waits() -> None:
    ours, theirs = channel.pair()
    sock = Refusing(fileno=ours.detach())
    sock.number = errno.ENOBUFS
    one = Post(sock)
    assert one.send(MESSAGE, 1, b"waits", [0])
    assert not one.flush()
    one.close()
    theirs.close()


def test_without_a_free_descriptor_the_message_is_dropped_and_the_next_one_has_its_own(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with ends() as (one, other):
        one.send(MESSAGE, 1, b"lost", [0, 1])
        one.send(MESSAGE, 2, b"here", [0])
        with used_up():
            assert other.receive() == []
        [letter] = all_of(other, 1)
        assert letter.payload == b"here"
        descriptors.close_all(letter.descriptors)
    assert 'messages_lost sender="" reason="no descriptor was free' in capfd.readouterr().err


# -- values ------------------------------------------------------------------

NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    "value",
    [None, 1, 2.5, "text", b"bytes", [1, [2]], {"a": {"b": None}}, {1: 2}, NOW],
    ids=lambda value: type(value).__name__,
)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    assert decode(encode(value)) == value


def test_bytes_of_every_kind_arrive_as_bytes() -> None:
    for value in (bytearray(b"x"), memoryview(b"x")):
        assert decode(encode(value)) == b"x"


def circular() -> list[object]:
    it: list[object] = []
    it.append({"again": it})
    return it


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (circular(), ValueError, "contains itself"),
        ({"a": [object()]}, TypeError, "objects of type object"),
        (2**64, ValueError, "ints"),
        ("\ud800", ValueError, "surrogates"),
        (bytes(MAX_PAYLOAD), ValueError, "at most 16777216 bytes"),
    ],
    ids=["circular", "object", "int", "surrogate", "large"],
)
def test_what_can_not_be_sent_is_a_clear_error_at_once(
    value: object, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said) as raised:
        encode(value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "payload", [b"", b"\xc1", b"\xa5ab", b"\xa1\xff", b"\x91" * 5000, b"\x01\x01"]
)
def test_what_is_no_value_is_the_senders_fault(payload: bytes) -> None:
    with pytest.raises(RemoteError, match="not a value"):
        decode(payload)
