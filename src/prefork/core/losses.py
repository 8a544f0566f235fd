"""What follows when a process has exited: who accounts for it, and whether the fleet gives up."""

from collections.abc import Iterator

from prefork.core.ending import Ending
from prefork.core.facts import Exited, Stage
from prefork.core.hub import HubPlace
from prefork.core.orders import Kill, Note, Order
from prefork.core.plan import Plan
from prefork.core.pool import Pools
from prefork.core.process import Phase, Process, Role
from prefork.core.reload import Reload
from prefork.errors import ExitCode

FIRST_START_TRIES = 3  # then a fleet that never served gives up
FINAL = {  # where the first start fails here, another would as well
    Stage.SETTINGS: ExitCode.USAGE,
    Stage.IMPORT: ExitCode.APP_IMPORT,
}


class Losses:
    def __init__(
        self, plan: Plan, pools: Pools, reload: Reload, ending: Ending, hub: HubPlace
    ) -> None:
        self._plan = plan
        self._roster = ending.roster
        self._supply = pools.supply
        self._pools = pools
        self._reload = reload
        self._ending = ending
        self._hub = hub

    def heed(self, process: Process, exited: Exited, now: float) -> Iterator[Order]:
        """Account for an exit, and order what follows of it."""
        slot = self._roster.slot_of(process)
        if process.phase is Phase.LEAVING:
            slot = None  # it is being replaced already
        generation = self._roster.generation_of(process)
        self._ending.note_exit(process, exited.status)
        self._roster.remove(process)
        yield from (Kill(child.id) for child in self._roster.stillborn(process))
        if self._ending.has_begun:
            self._pools.lose(process, exited, now)
            yield from self._ending.proceed(now)
        elif slot is not None:
            wait = self._supply.lose_worker(process, slot, now)
            yield from self._judge(process, exited, wait, now)
        elif generation is not None and generation.template is process:
            wait = self._supply.lose_template(process, generation, now)
            yield from self._judge(process, exited, wait, now)
        elif process.role is Role.HUB:
            yield from self._hub.lose(process, now)
        elif process.role is Role.POOL:
            yield from self._lose_pool(process, exited, now)
        if self._plan.scripted:
            self._roster.vacate()

    def _lose_pool(self, process: Process, exited: Exited, now: float) -> Iterator[Order]:
        wait = self._pools.lose(process, exited, now)
        if wait is not None:
            yield from self._judge(process, exited, wait, now)

    def _wait_for_code(self) -> Iterator[Order]:
        """The same code would fail again: start nothing before it has changed."""
        if not self._supply.is_held:
            self._supply.is_held = True
            yield Note("warning", "waiting_for_change")

    def _judge(self, lost: Process, exited: Exited, wait: float, now: float) -> Iterator[Order]:
        """Give up only where nothing ever served: a fleet that serves is never ended by a death."""
        is_first_start, tries = not self._roster.has_served, self._roster.oldest.tries
        if lost.role is Role.POOL and not is_first_start:
            # Also where workers serve: or what comes of it would hang on who is the first to be
            # ready. But then what counts against the pool is the pool's.
            is_first_start = self._pools.is_first_start()
            tries = self._roster.oldest.pool_deaths.rounds
        final = FINAL.get(lost.failure.stage) if lost.failure else None
        is_in_vain = lost.failure is not None or tries >= FIRST_START_TRIES
        if self._reload.is_refuted_by(lost):
            yield from self._reload.fail(lost, exited, now)
        elif self._plan.scripted:
            pass  # what follows is the script's decision
        elif is_first_start and is_in_vain and self._plan.waits_for_code:
            yield from self._wait_for_code()
        elif is_first_start and final is not None:
            yield from self._ending.stop(0.0, now, final)
        elif is_first_start and tries >= FIRST_START_TRIES:
            yield Note("error", "giving_up", (("tries", tries),))
            yield from self._ending.stop(0.0, now, ExitCode.APP_START)
        elif wait > 0 and not self._supply.is_held:
            fields = (("process", lost.role.value), ("slot", lost.slot), ("seconds", wait))
            yield Note("warning", "backing_off", fields)
