"""Who leads: one worker at any time, and never two."""

from collections.abc import Iterator

from prefork.core.orders import Appoint, Order
from prefork.core.process import Phase, Process, Role
from prefork.core.roster import Roster


class Leadership:
    """A leader leads until it has said that it left the rotation, or has exited.

    It gives the leadership up before it says so; one that is blocked can't, and leads until it is
    dead. For a moment there may be none.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self.leader: int | None = None  # its id

    def proceed(self) -> Iterator[Order]:
        """Appoint another where there is none."""
        current = self._roster.get(self.leader or 0)
        if current is not None and current.is_in_rotation:
            return
        successor = min(self._candidates(), key=_rank, default=None)
        self.leader = None if successor is None else successor.id
        if successor is not None:
            yield Appoint(successor.id)

    def _candidates(self) -> list[Process]:
        workers = self._roster.of(Role.WORKER)
        return [p for p in workers if p.phase in (Phase.SERVING, Phase.LEAVING)]


def _rank(worker: Process) -> tuple[bool, bool, int]:
    """Whoever is blocked, or about to go, is the last choice; else the oldest leads."""
    return worker.is_blocked, worker.phase is Phase.LEAVING, worker.id
