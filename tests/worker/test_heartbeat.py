"""A worker that has no thread to watch over it."""

import threading
from contextlib import closing

import pytest

from prefork.errors import AppError, ExitCode
from prefork.wire import channel, inquiry
from prefork.wire.board import LINE_BYTES
from prefork.wire.channel import Channel
from prefork.worker import heartbeat
from prefork.worker.heartbeat import Bystander
from prefork.worker.witness import Witness


def test_without_a_thread_the_start_fails() -> None:
    ours, theirs = channel.pair()
    inquirer, respondent = inquiry.pair()
    line = memoryview(bytearray(LINE_BYTES)).cast("Q")
    before = threading.stack_size(1 << 46)  # more than there can be
    with closing(ours), closing(Channel(theirs)) as end, closing(inquirer), closing(respondent):
        try:
            with pytest.raises(AppError, match="no thread to watch over it") as refused:
                heartbeat.watch(Bystander(end, respondent, Witness()), line)
        finally:
            threading.stack_size(before)
    assert refused.value.exit_code is ExitCode.APP_START
