"""Connections survive the way from one process's hands to another's."""

import errno
import os
import socket
from contextlib import closing
from typing import Any

import pytest
from tests.support.scarcity import used_up

from prefork.errors import RemoteError
from prefork.wire import handover


def test_a_batch_arrives_with_the_number_of_its_address() -> None:
    sending, receiving = handover.pair()
    with closing(sending), closing(receiving):
        reading, writing = os.pipe()
        assert handover.send(sending, 3, [reading, writing])
        os.close(reading)
        os.close(writing)
        message = handover.receive(receiving)
        assert message is not None
        assert message[:2] == (3, 2)
        reading, writing = message.descriptors
        os.write(writing, b"x")
        assert os.read(reading, 1) == b"x"
        assert not os.get_inheritable(reading)
        os.close(reading)
        os.close(writing)
        assert handover.receive(receiving) is None


def test_a_message_says_whether_another_worker_had_them() -> None:
    sending, receiving = handover.pair()
    with closing(sending), closing(receiving):
        for is_moved in (True, False):
            assert handover.send(sending, 0, [sending.fileno()], is_moved=is_moved)
            message = handover.receive(receiving)
            assert message is not None
            assert message.is_moved is is_moved
            os.close(message.descriptors[0])


def test_it_carries_both_ways_and_what_was_sent_back_outlives_its_sender() -> None:
    sending, receiving = handover.pair()
    one, other = socket.socketpair()
    with closing(sending), closing(other):
        assert handover.send(receiving, 0, [one.fileno()], is_moved=True)
        one.close()
        receiving.close()  # the worker is dead
        message = handover.receive(sending)
        assert message is not None
        with closing(socket.socket(fileno=message.descriptors[0])) as again:
            again.send(b"served")
            assert other.recv(6) == b"served"


def test_what_is_no_message_is_refused_and_its_descriptors_closed() -> None:
    sending, receiving = handover.pair()
    with closing(sending), closing(receiving):
        reading, writing = os.pipe()
        socket.send_fds(sending, [b"\0\1"], [writing])
        os.close(writing)
        with pytest.raises(RemoteError):
            handover.receive(receiving)
        assert os.read(reading, 1) == b"", "it is still open"
        os.close(reading)


def test_the_largest_batch_fits_in_one_message() -> None:
    sending, receiving = handover.pair()
    with closing(sending), closing(receiving):
        assert handover.send(sending, 0, [sending.fileno()] * handover.MAX_BATCH)
        message = handover.receive(receiving)
        assert message is not None
        assert len(message.descriptors) == handover.MAX_BATCH
        for descriptor in message.descriptors:
            os.close(descriptor)


def test_a_full_pair_refuses_and_loses_nothing() -> None:
    sending, receiving = handover.pair()
    with closing(sending), closing(receiving):
        sent = 0
        while handover.send(sending, 0, [sending.fileno()]):
            sent += 1
        taken = 0
        while (message := handover.receive(receiving)) is not None:
            taken += len(message.descriptors)
            os.close(message.descriptors[0])
        assert taken == sent > 0


def test_a_duplicate_of_the_receiving_end_takes_back_what_was_not_taken() -> None:
    sending, receiving = handover.pair()
    kept = receiving.dup()
    one, other = socket.socketpair()
    with closing(sending), closing(kept), closing(other):
        handover.send(sending, 0, [one.fileno()])
        one.close()
        receiving.close()  # the worker is dead
        message = handover.receive(kept)
        assert message is not None
        with closing(socket.socket(fileno=message.descriptors[0])) as again:
            again.send(b"served")
            assert other.recv(6) == b"served"


def test_what_does_not_fit_stays_where_it_is() -> None:
    sending, receiving = handover.pair()
    with closing(sending), closing(receiving):
        handover.send(sending, 1, [sending.fileno()] * 3)
        with used_up(), pytest.raises(OSError, match="open files") as refused:
            handover.receive(receiving, is_scarce=True)
        assert refused.value.errno == errno.EMFILE
        before = os.listdir("/proc/self/fd")
        batch = handover.receive(receiving, is_scarce=True)
        assert batch is not None
        assert batch[:2] == (1, 3)
        for descriptor in batch.descriptors:
            os.close(descriptor)
        assert os.listdir("/proc/self/fd") == before  # nothing is left of the look
        assert handover.receive(receiving, is_scarce=True) is None


class Crowded(socket.socket):
    """One whose user has too many descriptors on their way, or whose queue is full."""

    number = 0

    def sendmsg(self, *_: Any) -> int:
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("number", [errno.ETOOMANYREFS, errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM])
def test_too_many_on_their_way_is_no_error(number: int) -> None:
    with closing(Crowded()) as sending:
        sending.number = number
        assert not handover.send(sending, 0, [sending.fileno()])
        os.fstat(sending.fileno())  # it is still ours
