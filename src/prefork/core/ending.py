"""The end of a fleet: everybody is told, the pool after workers, templates and the hub last."""

from collections.abc import Iterator

from prefork.core import removal
from prefork.core.orders import CloseListeners, Finish, Order
from prefork.core.process import LOADING, Phase, Process, Role, Step
from prefork.core.reload import Reload
from prefork.core.removal import HURRY
from prefork.core.roster import Roster
from prefork.errors import ExitCode


class Ending:
    """Begun once; after that it only gets shorter."""

    def __init__(self, roster: Roster, reload: Reload) -> None:
        self.roster = roster
        self._reload = reload
        self._code: ExitCode | None = None  # what we will exit with; None: not begun
        self._is_over = False

    @property
    def has_begun(self) -> bool:
        return self._code is not None

    def stop(self, grace: float, now: float, code: ExitCode = ExitCode.OK) -> Iterator[Order]:
        """Give workers *grace* seconds; where there are none, the pool.

        *code*: why the fleet ends, where nothing asked for it.
        """
        yield from self._reload.cancel("the instance was told to stop", now)
        if self._code is None:
            self._code = code
            yield CloseListeners()
        first = Role.WORKER if self.roster.of(Role.WORKER) else Role.POOL
        for process in list(self.roster.processes.values()):
            is_unready = process.phase in LOADING and process.role is not Role.POOL
            if (process.role is first or is_unready) and process.allows(Step.STOP):
                yield removal.drain(process, grace, now)
        yield from self.proceed(now)

    def note_exit(self, process: Process, status: int) -> None:
        """Remember work that was cut: the exit code is to tell of it."""
        if self._code is ExitCode.OK and process.has_cut(status):
            self._code = ExitCode.CUT

    def proceed(self, now: float) -> Iterator[Order]:
        """End the pool after the workers, which may wait for it, and the templates after both.

        They bury them if the primary dies meanwhile.
        """
        if self.roster.of(Role.WORKER) or self._is_over:
            return
        pool = self.roster.of(Role.POOL)
        for process in pool:
            if process.phase is Phase.READY or process.phase in LOADING:
                yield removal.drain(process, HURRY, now)
        if pool:
            return
        for process in self.roster.of(Role.TEMPLATE) + self.roster.of(Role.HUB):
            if process.phase is Phase.READY:
                yield removal.dismiss(process, now)
        if not self.roster.processes and self._code is not None:
            self._is_over = True
            yield Finish(self._code)
