"""How coroutines wait for a change of shared memory, without stopping their event loops."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prefork.memory import futex
from prefork.memory.cells import Cells

POLL = 0.005  # seconds between two looks, where there is no futex

# The two words.
_RUNG = 0  # how often it was rung; who sleeps does so on this one
_AWAITED = 1  # by how many coroutines, of all processes; more, where one was killed that had some


@dataclass(frozen=True, slots=True, eq=False)
class Sleeper:
    has_changed: Callable[[], bool]
    loop: asyncio.AbstractEventLoop
    woken: asyncio.Future[None]

    def has_reason(self) -> bool:
        """Whether it is to look itself: the number has changed, or that can't be seen here."""
        try:
            return self.has_changed()
        except Exception:  # noqa: BLE001 - it is raised once more where it looks itself
            return True

    def wake(self) -> None:
        try:
            self.loop.call_soon_threadsafe(self._wake)
        except RuntimeError:
            return  # its loop was closed, and nobody sleeps there any more

    def _wake(self) -> None:
        if not self.woken.done():
            self.woken.set_result(None)


class Bell:
    """One thread of a process sleeps in the kernel for all who wait for one memory.

    It is there while somebody waits: a thread for each would be a thread for each request. Who
    changes a number first changes it, and then looks whether anybody waits; who waits says so
    first, and then looks at the number: so no change is missed.
    """

    def __init__(self, words: Cells, address: int, *, has_futex: bool) -> None:
        """*words*: two of 32 bits, the first of which has this address."""
        self._words = words
        self._address = address
        self._has_futex = has_futex
        self.forget()

    def forget(self) -> None:
        """Be a forked child's: who waits, and their thread, are the parent's."""
        self._lock = threading.Lock()
        self._sleepers: set[Sleeper] = set()
        self._thread: threading.Thread | None = None

    def ring(self) -> None:
        """Have all who wait look again, if there is anybody."""
        if self._has_futex and self._words.load(_AWAITED):
            self._rouse()

    def _rouse(self) -> None:
        self._words.add(_RUNG, 1)
        futex.wake(self._address)

    async def wait(self, has_changed: Callable[[], bool]) -> None:
        """Return once *has_changed*, which is called by another thread too."""
        while not has_changed():
            if self._has_futex:
                await self._sleep(has_changed)
            else:
                await asyncio.sleep(POLL)

    async def _sleep(self, has_changed: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        sleeper = Sleeper(has_changed, loop, loop.create_future())
        with self._awaited(sleeper):
            if not has_changed():
                await sleeper.woken

    @contextmanager
    def _awaited(self, sleeper: Sleeper) -> Iterator[None]:
        self._words.add(_AWAITED, 1)
        try:
            self._join(sleeper)
            yield
        finally:
            try:
                self._words.add(_AWAITED, -1)
            finally:
                self._leave(sleeper)

    def _join(self, sleeper: Sleeper) -> None:
        with self._lock:
            self._sleepers.add(sleeper)
            if self._thread is None:
                thread = threading.Thread(target=self._watch, name="shared memory", daemon=True)
                thread.start()
                self._thread = thread

    def _leave(self, sleeper: Sleeper) -> None:
        with self._lock:
            self._sleepers.discard(sleeper)
            is_last = not self._sleepers
        if is_last:
            self._rouse()  # the thread, which ends then

    def _watch(self) -> None:
        try:
            self._rouse_sleepers()
        except BaseException:
            with self._lock:
                self._thread = None
                left = list(self._sleepers)
            for each in left:
                each.wake()  # who still has to wait starts another thread
            raise

    def _rouse_sleepers(self) -> None:
        while True:
            rung = self._words.load(_RUNG)
            with self._lock:
                if not self._sleepers:
                    self._thread = None
                    return
                changed = [each for each in self._sleepers if each.has_reason()]
            for each in changed:
                each.wake()
            futex.wait(self._address, rung)
