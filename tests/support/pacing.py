"""The one module that may sleep: it spaces out a load or holds a measurement's window open.

It never waits for something to have happened; that is waited for on a descriptor, an exit or
the end of a file.
"""

import asyncio
import time
from collections.abc import Iterator


def beats(period: float, duration: float) -> Iterator[float]:
    """Yield the time every *period* seconds, first now, until *duration* seconds have passed."""
    start = time.monotonic()
    for count in range(round(duration / period)):
        time.sleep(max(0.0, start + count * period - time.monotonic()))  # noqa: TID251
        yield time.monotonic()


def hold(seconds: float) -> None:
    """Let a measured window of *seconds* pass."""
    time.sleep(seconds)  # noqa: TID251


async def think(seconds: float) -> None:
    """Be a client that takes its time, or an application that does."""
    await asyncio.sleep(seconds)
