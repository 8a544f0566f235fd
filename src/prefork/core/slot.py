"""A slot: who is in a worker's place, and what the place remembers of those before."""

from dataclasses import dataclass, field

from prefork.core.generation import Generation
from prefork.core.process import Phase, Process
from prefork.core.restart import ShortLives


@dataclass(slots=True, eq=False)
class Slot:
    """A place for one worker, which outlives its processes; who drains is not on it any more."""

    index: int
    generation: Generation  # whose code it is to run
    current: Process | None = None  # takes connections
    coming: Process | None = None  # is to take over from it
    retry_at: float = 0.0  # not filled before
    ticket: int | None = None  # the id that who comes next is to have; None: any
    restarts: int = 0
    recycled: int = 0  # how often its worker had served for long enough
    short_lives: ShortLives = field(default_factory=ShortLives)

    def runs(self, generation: Generation) -> bool:
        return self.current is not None and self.current.generation == generation.number

    @property
    def serves(self) -> bool:
        return self.current is not None and self.current.phase in (Phase.SERVING, Phase.LEAVING)

    @property
    def lacks_successor(self) -> bool:
        """Whether somebody is to be started here: always before the current one goes."""
        if self.coming is not None:
            return False
        is_leaving = self.current is not None and self.current.phase is Phase.LEAVING
        return is_leaving or not self.runs(self.generation)

    @property
    def is_moving(self) -> bool:
        """Whether somebody takes over here, or is to."""
        return self.lacks_successor or (self.current is not None and self.coming is not None)
