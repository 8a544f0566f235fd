"""A generation: how far one loading of the application's code has come."""

from dataclasses import dataclass, field

from prefork.core.facts import Failed
from prefork.core.process import Phase, Process
from prefork.core.restart import EarlyDeaths


@dataclass(slots=True, eq=False)
class Generation:
    """One loading of the application's code, and the template that holds it."""

    number: int
    preload: bool  # its template imports the application
    template: Process | None = None
    retry_at: float = 0.0  # no template is started before
    failure: Failed | None = None  # what its application said last
    declined: tuple[str, ...] = ()  # why its template could not be forked after the import
    is_on_trial: bool = False  # a reload is rolling it out
    worker_deaths: EarlyDeaths = field(default_factory=EarlyDeaths)
    template_deaths: EarlyDeaths = field(default_factory=EarlyDeaths)
    pool_deaths: EarlyDeaths = field(default_factory=EarlyDeaths)

    @property
    def tries(self) -> int:
        """How often in a row it has failed to start."""
        deaths = self.worker_deaths, self.template_deaths, self.pool_deaths
        return max(each.rounds for each in deaths)

    @property
    def holds_code(self) -> bool:
        """Whether another worker of this very code can be had, whatever lies on disk now."""
        return self.preload and self.template is not None and self.template.phase is Phase.READY
