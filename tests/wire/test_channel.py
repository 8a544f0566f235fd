"""Channels over real socket pairs: order, descriptors, back-pressure, the end."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.support.scarcity import used_up

from prefork.errors import RemoteError
from prefork.wire import channel, descriptors, frames, messages
from prefork.wire.channel import Channel
from prefork.wire.messages import Failed, Leaving, Ready, SpawnWorker, Stop

MOST = 253  # descriptors in one message: the kernel's SCM_MAX_FD


@contextmanager
def ends() -> Iterator[tuple[Channel, Channel]]:
    one, other = (Channel(sock) for sock in channel.pair())
    try:
        yield one, other
    finally:
        one.close()
        other.close()


def test_messages_arrive_in_order_both_ways() -> None:
    with ends() as (one, other):
        one.send(Stop(1))
        one.send(Stop(2))
        other.send(Leaving())
        assert other.receive() == [Stop(1), Stop(2)]
        assert one.receive() == [Leaving()]
        assert one.receive() == []


def test_descriptors_travel_with_their_message_and_are_closed_here() -> None:
    with ends() as (one, other):
        pipes = [os.pipe() for _ in range(2)]
        one.send(Stop(0))
        for id, (reading, writing) in enumerate(pipes):
            one.send(SpawnWorker(id, 0, 1, []), [reading, writing])
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(pipes[0][0])
        assert len(other.receive()) == 3
        for number in range(2):
            reading, writing = other.claim(2)
            assert not os.get_inheritable(reading)
            os.write(writing, bytes([number]))
            assert os.read(reading, 1) == bytes([number])
            os.close(reading)
            os.close(writing)


def test_a_message_carries_as_many_descriptors_as_the_kernel_takes() -> None:
    with ends() as (one, other):
        for _ in range(2):
            null = os.open(os.devnull, os.O_RDONLY)
            given = [null, *(os.dup(null) for _ in range(MOST - 1))]
            one.send(SpawnWorker(1, 0, 1, [0] * (MOST - 2)), given)
        assert len(other.receive()) == 2
        for _ in range(2):
            for descriptor in other.claim(MOST):
                os.close(descriptor)


def test_a_message_without_its_descriptors_is_the_senders_fault() -> None:
    with ends() as (one, other):
        one.send(SpawnWorker(1, 0, 1, []))
        other.receive()
        with pytest.raises(RemoteError, match="without its descriptors"):
            other.claim(2)


def test_the_end_is_told_after_the_last_words() -> None:
    with ends() as (one, other):
        one.send(Ready(7))
        one.close()
        assert other.receive() == [Ready(7)]
        assert other.is_ended


def test_a_peer_that_does_not_read_is_given_up_and_nothing_waits() -> None:
    def say_it_all(one: Channel) -> None:
        for _ in range(50):
            one.send(Failed("import", "x" * 60_000))

    with ends() as (one, _other), pytest.raises(RemoteError, match="does not read"):
        say_it_all(one)


def test_what_did_not_fit_is_sent_when_there_is_room() -> None:
    with ends() as (one, other):
        sent = [Failed("import", str(number) * 60_000) for number in range(7)]
        for message in sent:
            one.send(message)
        assert not one.flush()
        received = other.receive()
        while not one.flush():
            received += other.receive()
        assert received + other.receive() == sent


def test_sending_to_a_closed_peer_is_no_error_its_exit_is_told_elsewhere() -> None:
    with ends() as (one, other):
        other.close()
        one.send(Stop(1))
        assert one.flush()
        assert one.receive() == []
        assert one.is_ended


def test_garbage_from_the_peer_raises() -> None:
    mine, theirs = channel.pair()
    theirs.send(b"GET / HTTP/1.1\r\n\r\n")
    it = Channel(mine)
    with pytest.raises(RemoteError):
        it.receive()
    it.close()
    theirs.close()


def test_one_that_is_not_trusted_can_not_fill_us_with_descriptors() -> None:
    ours, theirs = channel.pair()
    one, other = Channel(ours, is_trusted=False), Channel(theirs)
    try:
        other.send(Leaving())
        assert one.receive() == [Leaving()]
        before = descriptors.count_open()
        other.send(Leaving(), [os.dup(0) for _ in range(MOST)])
        with pytest.raises(RemoteError, match="descriptors"):
            one.receive()
        assert descriptors.count_open() == before
    finally:
        one.close()
        other.close()


class Flooding(socket.socket):
    """One whose peer writes as fast as we read, for ever."""

    def recvmsg(self, *_: Any) -> Any:
        return frames.encode(messages.encode(Leaving())) * 1000, [], 0, None


def test_one_that_is_not_trusted_has_a_portion_of_our_time_and_not_all() -> None:
    ours, theirs = channel.pair()
    one = Channel(Flooding(fileno=ours.detach()), is_trusted=False)
    assert len(one.receive()) == 4000
    one.close()
    theirs.close()


class Crowded(socket.socket):
    """One whose user has too many descriptors on their way."""

    def sendmsg(self, data: Any, rights: Any = (), *_: Any) -> int:
        if not rights:
            return super().sendmsg(data)
        raise OSError(errno.ETOOMANYREFS, os.strerror(errno.ETOOMANYREFS))


def test_descriptors_of_which_too_many_are_on_their_way_are_refused_and_nothing_is_lost() -> None:
    ours, theirs = channel.pair()
    one, other = Channel(Crowded(fileno=ours.detach())), Channel(theirs)
    reading, writing = os.pipe()
    try:
        with pytest.raises(OSError, match="references") as refused:
            one.send(Stop(1.0), [reading])
        assert refused.value.errno == errno.ETOOMANYREFS
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(reading)  # it is closed, as if it had been sent
        one.send(Stop(2.0))
        assert other.receive() == [Stop(2.0)]
    finally:
        os.close(writing)
        one.close()
        other.close()


def test_a_message_whose_descriptors_were_lost_is_read_and_the_next_one_has_its_own() -> None:
    first, second = SpawnWorker(1, 0, 1, []), SpawnWorker(2, 0, 2, [])
    with ends() as (one, other):
        one.send(first, [os.dup(0), os.dup(0)])
        with used_up():
            assert other.receive() == [first]
        one.send(second, [os.dup(0)])
        assert other.receive() == [second]
        with pytest.raises(OSError, match="open files"):
            other.claim(2)
        [descriptor] = other.claim(1)
        os.close(descriptor)
