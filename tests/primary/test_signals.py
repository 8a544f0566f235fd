"""Signals arrive as data, none is lost, and a fork leaves none behind."""

import os
import select
import signal
from collections.abc import Iterator

import pytest

from prefork.primary.signals import Signals
from prefork.wire import signalling
from prefork.wire.signalling import HANDLED


@pytest.fixture
def signals() -> Iterator[Signals]:
    before = {number: signal.getsignal(number) for number in HANDLED}
    it = Signals()
    yield it
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)
    it.close()


def test_a_signal_wakes_the_selector_and_is_taken_once(signals: Signals) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    assert select.select([signals], [], [], 10)[0]
    assert signals.take() == {signal.SIGTERM}
    assert signals.take() == set()
    assert not select.select([signals], [], [], 0)[0]


def test_a_flood_that_overflows_the_pipe_loses_no_number(signals: Signals) -> None:
    for _ in range(70_000):
        signal.raise_signal(signal.SIGCHLD)
    signal.raise_signal(signal.SIGTERM)
    assert signals.take() == {signal.SIGCHLD, signal.SIGTERM}


def test_a_signal_during_a_masked_fork_reaches_the_parent_alone(signals: Signals) -> None:
    with signalling.masked():
        pid = os.fork()
        if pid == 0:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            os.kill(os.getpid(), signal.SIGTERM)  # pending in the child
            signalling.forget()  # its default action ends the child here
            os._exit(99)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM
    assert signal.SIGTERM not in signals.take()
