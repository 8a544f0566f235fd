"""Who is in the place of a worker that has gone, though no handler has forked for it."""

from collections.abc import Iterable

from prefork.cluster.handle import Worker


class Heirs:
    def __init__(self) -> None:
        self._brought: set[int] = set()  # ids of those that a reload has brought, and not a fork
        self._heir: Worker | None = None  # of the one whose exit is being told

    def bring(self, id: int) -> None:
        """Note one that comes without a fork."""
        self._brought.add(id)

    def find(self, gone: Worker, others: Iterable[Worker]) -> None:
        """Look who serves in its slot already, where a reload has brought one of the two."""
        brought = gone.id in self._brought
        self._brought.discard(gone.id)
        there = (each for each in others if each.slot == gone.slot)
        self._heir = next((each for each in there if brought or each.id in self._brought), None)

    def take(self) -> Worker | None:
        """Give it once: an exit handler that forks for each that goes would make it two."""
        heir, self._heir = self._heir, None
        if heir is not None:
            self._brought.discard(heir.id)
        return heir

    def forget(self) -> None:
        """All that was to be told of that exit is told."""
        self._heir = None
