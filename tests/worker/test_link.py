"""What a worker hears of its primary, and for whom that is."""

import asyncio
import os
from contextlib import ExitStack, closing

from tests.worker.conftest import Run

from prefork.wire import channel
from prefork.wire.channel import Channel
from prefork.wire.messages import Admit, PoolExit, PoolLine, Tickets
from prefork.worker.link import Link


def test_what_comes_for_a_pool_that_is_not_there_any_more_is_closed(run: Run) -> None:
    """As in a loop after the one that wanted it; what comes with it is heard all the same."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = (Channel(end) for end in channel.pair())
        with closing(ours), closing(theirs), ExitStack() as ending:
            link = Link(theirs, loop)
            ending.callback(loop.remove_reader, theirs)
            reading = [_given(ours, Tickets(), 1), _given(ours, PoolLine(7, 0, 7, 1), 1)]
            reading.append(_given(ours, PoolLine(8, 1, 8, 2, has_handle=True), 2))
            for each in reading:
                ending.callback(os.close, each)
            ours.send(PoolExit(7, 0, 0))
            ours.send(Admit())
            link.hear()
            assert link.is_admitted
            for each in reading:
                assert os.read(each, 1) == b"", "nobody has the other end any more"

    run(scenario())


def _given(to: Channel, message: Tickets | PoolLine, count: int) -> int:
    """Send it with so many ends of a pipe; return the other."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    to.send(message, [writing, *(os.dup(writing) for _ in range(count - 1))])
    return reading
