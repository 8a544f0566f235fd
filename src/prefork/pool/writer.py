"""Large arguments on their way into files: written by a thread, as 50 MB take 25 ms.

And before a process is taken for them: it would wait for no longer than for other tasks.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from prefork.pool import codec
from prefork.pool.codec import Parcel

Then = Callable[[Parcel | None, BaseException | None], None]


class Writer:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread: ThreadPoolExecutor | None = None  # there is none before it is needed
        self.count = 0  # parcels that are being written

    def write(self, parcel: Parcel, then: Then) -> None:
        """Write one, and call *then*, later, with what has a file instead, or why there is none."""

        def end(written: "asyncio.Future[Parcel]") -> None:
            self.count -= 1
            error = asyncio.CancelledError() if written.cancelled() else written.exception()
            then(None if error else written.result(), error)

        self.count += 1
        self._begin(parcel).add_done_callback(end)

    async def written(self, parcel: Parcel) -> Parcel:
        """Write one that is large. Raises OSError."""
        return await self._begin(parcel) if parcel.is_large else parcel

    def _begin(self, parcel: Parcel) -> "asyncio.Future[Parcel]":
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "prefork-pool")
        return self._loop.run_in_executor(self._thread, codec.filed, parcel)

    def close(self) -> None:
        """Write nothing more."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
