"""What the fleet has counted in all: the living on their lines, the dead in one sum."""

from prefork import log
from prefork.core.process import Role
from prefork.primary.children import Child
from prefork.wire.board import COUNTERS, Board, Field


class Tally:
    """A dead process's counters are folded in as its line is cleared, so no sum goes back."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.retired = dict.fromkeys(COUNTERS, 0)
        self.exits = 0
        self.timeouts = 0  # workers that were aborted

    def note_exit(self, child: Child, status: int, uncounted: int) -> None:
        """Log a death with what was in the process's hands, counted there or not."""
        if child.pid is None:
            return  # it never lived
        if child.role is not Role.WORKER:
            reason = {"reason": child.reason} if child.reason else {}
            log.info(f"{child.role.value}_exited", **child.who, status=status, **reason)
            return
        self.exits += 1
        line = self._board.line(child.line)
        log.info(
            "worker_exited",
            slot=child.slot,
            pid=child.pid,
            generation=child.generation,
            status=status,
            connections=line[Field.CONNECTIONS] + uncounted,
            in_flight=line[Field.IN_FLIGHT],
            requests=line[Field.REQUESTS],
            handed_back=line[Field.HANDED_BACK],
            **({"reason": child.reason} if child.reason else {}),
        )

    def fold(self, child: Child) -> None:
        line = self._board.line(child.line)
        for field in COUNTERS:
            self.retired[field] += line[field]
        self._board.clear(child.line)
