"""Starts the processes that are missing, when they are due."""

from collections.abc import Iterator

from prefork.core.blocking import is_in_place
from prefork.core.generation import Generation
from prefork.core.orders import Order, Spawn, StartTemplate
from prefork.core.plan import Plan
from prefork.core.process import Phase, Process
from prefork.core.roster import Roster
from prefork.core.slot import Slot

CROWD = 3  # processes in one slot: who serves, who comes, who drains; more must wait


class Supply:
    """A template first, then a worker for each slot; after a death not before its delay."""

    def __init__(self, plan: Plan, roster: Roster) -> None:
        self._plan = plan
        self._roster = roster
        self.is_held = False  # nothing is started: what lies on disk has failed

    def is_whole(self) -> bool:
        """Whether nothing is missing: every slot serves, and a template could fork another.

        Of a script's workers, which may never listen, all are there.
        """
        if any(p.is_blocked for p in self._roster.processes.values() if is_in_place(p)):
            return False
        if self._plan.scripted:
            return all(slot.ticket is None for slot in self._roster.slots)
        sources = map(self._source, self._roster.slots)
        return self._roster.all_serve() and all(map(self.can_spawn, sources))

    def can_spawn(self, generation: Generation) -> bool:
        template = generation.template
        is_ready = template is not None and template.phase is Phase.READY
        return is_ready or not self._plan.templates

    def fill(self, now: float) -> Iterator[Order]:
        """Start what is missing and due."""
        if self.is_held:
            return
        if self._lacks_template() and self._roster.newest.retry_at <= now:
            yield self._start_template(now)
        for slot in self._fillable():
            if slot.retry_at <= now:
                yield self._spawn(slot, now)

    def due(self) -> list[float]:
        """When things that are missing may be started."""
        if self.is_held:
            return []
        times = [slot.retry_at for slot in self._fillable()]
        return [*times, self._roster.newest.retry_at] if self._lacks_template() else times

    def lose_template(self, template: Process, generation: Generation, now: float) -> float:
        """Account for a death; return the seconds until the next may be started."""
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
        if worker.is_proven or not slot.generation.is_on_trial:
            slot.restarts += 1
        uptime = worker.uptime(now)
        if self._plan.scripted:  # it may never listen, and be no failure
            slot.short_lives.note(now - worker.spawned_at, self._plan.min_uptime)
            wait = slot.short_lives.delay(worker.id, outage=False)
        elif uptime is None:
            slot.generation.worker_deaths.note(worker.spawned_at, now)
            wait = slot.generation.worker_deaths.delay(worker.id)
        else:
            slot.short_lives.note(uptime, self._plan.min_uptime)
            outage = 2 * self._roster.serving() < len(self._roster.slots)
            wait = slot.short_lives.delay(worker.id, outage=outage)
        slot.retry_at = now + wait
        return wait

    def _lacks_template(self) -> bool:
        """Only of the newest generation: a new template of an older one would load newer code."""
        return self._plan.templates and self._roster.newest.template is None

    def _fillable(self) -> list[Slot]:
        """Empty slots, and as many of those that serve as may be replaced at a time."""
        slots = self._roster.slots
        lacking = [slot for slot in slots if slot.lacks_successor and self._can_fill(slot)]
        serving = sorted((s for s in lacking if s.serves), key=lambda slot: slot.retry_at)
        moving = sum(slot.serves and slot.coming is not None for slot in slots) if serving else 0
        room = max(0, self._plan.at_a_time(len(slots)) - moving)
        return [slot for slot in lacking if not slot.serves] + serving[:room]

    def _can_fill(self, slot: Slot) -> bool:
        if self._plan.scripted and slot.ticket is None and not slot.serves:
            return False  # whom nobody asked for comes only to take over
        return self.can_spawn(self._source(slot)) and self._roster.in_slot(slot.index) < CROWD

    def _source(self, slot: Slot) -> Generation:
        """What holds no code loads what lies on disk, and that is the newest generation's.

        While that can't fork, its own empty template does: late code is better than no worker.
        """
        own, newest = slot.generation, self._roster.newest
        if own.holds_code or (self.can_spawn(own) and not self.can_spawn(newest)):
            return own
        return newest

    def _start_template(self, now: float) -> Order:
        generation = self._roster.newest
        deadline = now + self._plan.start_timeout
        template = self._roster.add_template(generation, now, deadline)
        return StartTemplate(template.id, generation.number, generation.preload)

    def _spawn(self, slot: Slot, now: float) -> Order:
        slot.generation = self._source(slot)
        # When a script listens is its own business, and if at all; not of who is to take over.
        is_free = self._plan.scripted and slot.current is None
        deadline = None if is_free else now + self._plan.start_timeout
        worker = self._roster.add_worker(slot, now, deadline)
        return Spawn(worker.id, slot.index, worker.generation, worker.parent)
