"""When a worker asks for one process more."""

import asyncio
from collections.abc import Callable

AFTER = 0.01  # seconds for which tasks wait, before it does
EVERY = 0.1  # seconds after which it does so again


class Growth:
    """*is_lacking*: whether tasks wait. *ask*: for one process more."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        is_lacking: Callable[[], bool],
        ask: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._is_lacking = is_lacking
        self._ask = ask
        self._timer: asyncio.TimerHandle | None = None

    def consider(self) -> None:
        """Look, after a while, whether tasks wait; and again, as long as they do."""
        if self._timer is None:
            self._timer = self._loop.call_later(AFTER, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._is_lacking():
            self._ask()
            self._timer = self._loop.call_later(EVERY, self._look)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
