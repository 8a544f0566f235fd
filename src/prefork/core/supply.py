"""Starts the processes that are missing, when they are due."""

from collections.abc import Iterator

from prefork.core.messages import Order, Spawn, StartTemplate
from prefork.core.plan import Plan
from prefork.core.process import Phase, Process, Role
from prefork.core.roster import Generation, Roster, Slot


class Supply:
    """A template first, then a worker for each slot; after a death not before its delay."""

    def __init__(self, plan: Plan, roster: Roster, generation: Generation) -> None:
        self._plan = plan
        self._roster = roster
        self._generation = generation

    def is_whole(self) -> bool:
        """Whether nothing is missing: every slot serves, and the template could fork another."""
        template = self._generation.template
        has_template = template is not None and template.phase is Phase.SERVING
        return self._roster.all_serve() and (has_template or not self._plan.templates)

    def fill(self, now: float) -> Iterator[Order]:
        """Start what is missing and due."""
        if self._lacks_template():
            if self._generation.retry_at <= now:
                yield self._start_template(now)
        elif self._can_spawn():
            for slot in self._roster.slots:
                if slot.current is None and slot.retry_at <= now:
                    yield self._spawn(slot, now)

    def due(self) -> list[float]:
        """When things that are missing may be started."""
        if self._lacks_template():
            return [self._generation.retry_at]
        if self._can_spawn():
            return [slot.retry_at for slot in self._roster.slots if slot.current is None]
        return []

    def lose_template(self, template: Process, now: float) -> float:
        """Account for a death; return the seconds until the next may be started."""
        generation = self._generation
        generation.template = None
        uptime = template.uptime(now)
        if uptime is None or uptime < self._plan.min_uptime:
            generation.template_deaths.note(template.spawned_at, now)
        else:
            generation.template_deaths.forget()
        wait = generation.template_deaths.delay(template.id)
        generation.retry_at = now + wait
        return wait

    def lose_worker(self, worker: Process, slot: Slot, now: float) -> float:
        """Account for a death; return the seconds until the slot may be filled again."""
        slot.restarts += 1
        uptime = worker.uptime(now)
        if uptime is None:
            self._generation.worker_deaths.note(worker.spawned_at, now)
            wait = self._generation.worker_deaths.delay(worker.id)
        else:
            slot.short_lives.note(uptime, self._plan.min_uptime)
            outage = 2 * self._roster.serving() < len(self._roster.slots)
            wait = slot.short_lives.delay(worker.id, outage=outage)
        slot.retry_at = now + wait
        return wait

    def _lacks_template(self) -> bool:
        return self._plan.templates and self._generation.template is None

    def _can_spawn(self) -> bool:
        template = self._generation.template
        return template is None or template.phase is Phase.SERVING

    def _start_template(self, now: float) -> Order:
        generation = self._generation
        deadline = now + self._plan.start_timeout
        template = self._roster.new(Role.TEMPLATE, generation.number, now, deadline)
        generation.template = template
        return StartTemplate(template.id, generation.number, generation.preload)

    def _spawn(self, slot: Slot, now: float) -> Order:
        template = self._generation.template
        deadline = now + self._plan.start_timeout
        worker = self._roster.new(Role.WORKER, self._generation.number, now, deadline)
        worker.slot = slot.index
        worker.parent = None if template is None else template.id
        slot.current = worker
        return Spawn(worker.id, slot.index, worker.generation, worker.parent)
