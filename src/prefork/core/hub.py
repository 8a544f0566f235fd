"""The hub's place in the fleet: there is none before somebody wants it, and then always one."""

from collections.abc import Iterator

from prefork.core.orders import Note, Order, StartHub
from prefork.core.plan import Plan
from prefork.core.process import Process, Role
from prefork.core.restart import ShortLives
from prefork.core.roster import Roster


class HubPlace:
    def __init__(self, plan: Plan, roster: Roster) -> None:
        self._plan = plan
        self._roster = roster
        self._is_wanted = False
        self._retry_at = 0.0
        self._lives = ShortLives()

    def want(self) -> None:
        """Have one from now on."""
        self._is_wanted = True

    def fill(self, now: float) -> Iterator[Order]:
        """Start one that is missing and due."""
        if self._lacks_hub() and self._retry_at <= now:
            hub = self._roster.add_hub(now, now + self._plan.start_timeout)
            yield StartHub(hub.id, hub.generation)

    def due(self) -> list[float]:
        """When one that is missing may be started."""
        return [self._retry_at] if self._lacks_hub() else []

    def lose(self, hub: Process, now: float) -> Iterator[Order]:
        """Account for a death."""
        self._lives.note(now - hub.spawned_at, self._plan.min_uptime)
        wait = self._lives.delay(hub.id, outage=False)
        self._retry_at = now + wait
        if wait:
            fields = (("process", hub.role.value), ("slot", None), ("seconds", wait))
            yield Note("warning", "backing_off", fields)

    def _lacks_hub(self) -> bool:
        return self._is_wanted and not self._roster.of(Role.HUB)
