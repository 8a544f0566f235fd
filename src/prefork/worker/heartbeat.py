"""The signs of life that a worker leaves on the board."""

import asyncio
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from prefork.errors import AppError, ExitCode
from prefork.wire import descriptors, signalling
from prefork.wire.board import Field, Line
from prefork.wire.channel import Channel
from prefork.wire.complaint import Complaint
from prefork.wire.inquiry import Respondent
from prefork.worker.witness import Witness

BEAT = 0.5  # seconds; a worker's progress, not its beat, tells the primary that it is stuck
SPARE_DESCRIPTORS = 64  # for the application's files and its own connections
THREAD = "heartbeat"
COUNT_BELOW = 256  # connections; counting descriptors costs time in proportion to them,
COUNT_NEAR = 1000  # and is worth it again near the limit


class Heartbeat:
    """The loop's beat: stamps the board and ticks for *tick*, which gets the monotonic time."""

    def __init__(
        self,
        line: Line,
        loop: asyncio.AbstractEventLoop,
        tick: Callable[[float], None],
        connections: int,
    ) -> None:
        self._line = line
        self._loop = loop
        self._tick = tick
        self._connections = connections  # that this worker may have
        self._others = 0  # descriptors that are no connections
        self._due = loop.time()
        self._trouble = Complaint("no_descriptors")  # not one connection can be taken
        line[Field.BEAT_EVERY] = int(BEAT * 1e9)

    def limit(self, connections: int) -> None:
        """Have no more than so many from now on."""
        self._connections = connections
        self._line[Field.CAPACITY] = self._capacity()

    def beat(self) -> None:
        """Stamp, and come again. The first call starts it."""
        now = self._loop.time()
        self._line[Field.BEAT] = time.monotonic_ns()
        self._line[Field.LOOP_LAG] = max(0, int((now - self._due) * 1e9))
        self._line[Field.CAPACITY] = self._capacity()
        self._due = now + BEAT
        self._loop.call_at(self._due, self.beat)
        self._tick(now)  # last: if it ever raises, the next beat comes all the same

    def _capacity(self) -> int:
        connections = self._line[Field.CONNECTIONS]
        limit = descriptors.limit() - SPARE_DESCRIPTORS
        if connections < COUNT_BELOW or limit - self._others - connections < COUNT_NEAR:
            self._others = descriptors.count_open() - connections
        if limit <= self._others:
            self._trouble.tell(self._due, limit=descriptors.limit(), open=descriptors.count_open())
        return int(max(0, min(self._connections, limit - self._others)))


@dataclass(frozen=True, slots=True)
class Bystander:
    """What the thread beside the loop sees to: the primary's life, and its inquiries."""

    channel: Channel
    respondent: Respondent
    witness: Witness


def watch(by: Bystander, line: Line) -> None:
    """Start the thread that beats beside the loop, and ends the process with its primary.

    Where there is no parent-death signal this thread alone ends a worker whose loop is blocked.
    Raises AppError where the system has no thread.
    """
    thread = threading.Thread(target=_watch, args=(by, line), name=THREAD, daemon=True)
    try:
        with signalling.masked():  # it inherits that: or a signal finds it while our own is masked
            thread.start()
    except RuntimeError as error:
        reason = f"there is no thread to watch over it: {error}"
        raise AppError(reason, exit_code=ExitCode.APP_START) from None


def _watch(by: Bystander, line: Line) -> None:
    channel, poll = by.channel, select.poll()
    poll.register(channel, 0)  # no events asked for: it wakes for the end alone
    poll.register(by.respondent, select.POLLIN)
    while True:
        for descriptor, seen in poll.poll(BEAT * 1000):
            if descriptor == channel.fileno():
                os.killpg(0, signal.SIGKILL)
            elif seen & select.POLLIN:
                by.witness.answer(by.respondent)
            else:
                poll.unregister(descriptor)  # the primary is gone; the channel ends too
        line[Field.BEAT_THREAD] = time.monotonic_ns()
