"""The pools' place in the fleet: each generation has its own, and how many are to be in it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from prefork.core import removal
from prefork.core.facts import Exited, Idle, Overgrown, PoolWanted, Worn
from prefork.core.generation import Generation
from prefork.core.orders import Note, Order, SpawnPool
from prefork.core.plan import Plan
from prefork.core.process import Phase, Process, Role, Step
from prefork.core.removal import HURRY
from prefork.core.restart import LONGEST_POOL_DELAY, ShortLives
from prefork.core.roster import Roster
from prefork.core.supply import Supply

CROWD = 2  # processes for each place: who takes tasks, and who is on its way out


@dataclass(slots=True)
class Pool:
    """The processes that run tasks of one generation's workers."""

    generation: Generation
    wanted: int  # of them
    members: dict[int, Process] = field(default_factory=dict)  # by id; who goes is none any more
    retry_at: float = 0.0  # nobody comes before
    lives: ShortLives = field(default_factory=ShortLives)
    has_come: bool = False  # some process was ready, ever
    whole_at: float | None = None  # when those that always are to be there were, first

    @property
    def ready(self) -> int:
        return sum(each.phase is Phase.READY for each in self.members.values())


class Pools:
    """A pool is there as long as a slot is to run its generation, or a worker still does."""

    def __init__(self, plan: Plan, roster: Roster, supply: Supply) -> None:
        self._plan = plan
        self._roster = roster
        self.supply = supply
        self._pools: dict[int, Pool] = {}  # by generation's number

    def is_whole(self, generation: Generation) -> bool:
        """Whether as many are ready as always are to be."""
        pool = self._pools.get(generation.number)
        return (pool.ready if pool else 0) >= self._plan.pool_min

    def has_been_whole(self, generation: Generation) -> bool:
        """Whether as many were ready, once: some may always be on their way, as others are worn."""
        pool = self._pools.get(generation.number)
        return not self._plan.pool_min or (pool is not None and pool.whole_at is not None)

    def proven_at(self, generation: Generation) -> float | None:
        """When its trial is over, which lasts as long as a worker's; None: it has none.

        It is the pool's, and not each process's: of tasks some may die all the time.
        """
        pool = self._pools.get(generation.number)
        if not generation.is_on_trial or pool is None or pool.whole_at is None:
            return None
        return pool.whole_at + self._plan.min_uptime if self._plan.pool_min else None

    def are_whole(self) -> bool:
        """Whether all are, but that of new code: workers run the old meanwhile."""
        generations = self._roster.generations
        return all(map(self.is_whole, (each for each in generations if not each.is_on_trial)))

    # -- what is told --------------------------------------------------------

    def want(self, fact: PoolWanted) -> None:
        """Have one more, unless all there may be are there, or one is on its way."""
        pool = self._pools.get(fact.generation)
        if pool is not None and pool.ready == pool.wanted < self._plan.pool:
            pool.wanted += 1

    def heed(self, process: Process, fact: Idle | Worn | Overgrown, now: float) -> Iterator[Order]:
        """Let one go; what was told of it before it had tasks, or again, is no news."""
        if isinstance(fact, Overgrown):
            if process.ready_at is not None:
                process.is_sacrificed = True
                yield from removal.kill(process, self._roster, fact.reason)
            return
        pool = self._pool_of(process)
        if pool is None or process.phase is not Phase.READY:
            return
        if isinstance(fact, Worn):
            fields = (("slot", process.slot), ("pid", process.pid), ("reason", fact.reason))
            yield Note("debug", "pool_recycled", fields)
            yield self._dismiss(pool, process, HURRY, now)
        elif pool.wanted > self._plan.pool_min:
            pool.wanted -= 1
            if len(pool.members) > pool.wanted:  # it has offered itself: a task may be on its way
                yield self._dismiss(pool, process, self._plan.graceful_timeout, now)

    def note_ready(self, process: Process, now: float) -> None:
        """Note that its code can be run; without workers, it is what serves."""
        pool = self._pool_of(process)
        assert pool is not None, "whoever was told to go isn't ready any more"
        pool.has_come = True
        if pool.whole_at is None and self.is_whole(pool.generation):
            pool.whole_at = now
        if self._plan.is_bare:
            self._roster.has_served = True
            self.supply.is_held = False

    def lose(self, process: Process, exited: Exited, now: float) -> float | None:
        """Account for a death; return the seconds until the next may come.

        None: it speaks against nobody's code. It was to go, or a task is what killed it.
        """
        pool = self._pool_of(process)
        if pool is None:
            return None
        self._remove(pool, process, now)
        uptime = process.uptime(now)
        if uptime is None or (exited.was_idle and not process.is_sacrificed):
            deaths = pool.generation.pool_deaths
            deaths.note(process.spawned_at, now)
            wait = deaths.delay(process.id, was_ready=uptime is not None)
            pool.retry_at = now + wait
            return wait
        if self._roster.was_announced:  # or what others can't have would be asked for without end
            pool.generation.pool_deaths.forget()
        pool.lives.note(uptime, self._plan.min_uptime)
        pool.retry_at = now + min(pool.lives.delay(process.id, outage=True), LONGEST_POOL_DELAY)
        return None

    def is_first_start(self) -> bool:
        """Whether the instance was not announced yet: some may come, and the others never can.

        Whoever edits the code goes on with workers alone.
        """
        return not self._roster.was_announced and not self._plan.waits_for_code

    # -- what follows --------------------------------------------------------

    def proceed(self, now: float) -> Iterator[Order]:
        """Let the pools go that nobody needs, and start who is missing and due."""
        if not self._plan.pool:
            return
        for generation in self._roster.generations:
            self._pools.setdefault(generation.number, Pool(generation, self._plan.pool_min))
        yield from self._send_away(now)
        yield from self.fill(now, is_ending=False)

    def fill(self, now: float, *, is_ending: bool) -> Iterator[Order]:
        """Start who is missing and due; while all ends, where workers may wait for tasks."""
        for pool, template in self._fillable(is_ending=is_ending):
            while pool.retry_at <= now and self._lacks_process(pool):
                yield self._spawn(pool, template, now)

    def due(self, *, is_ending: bool) -> list[float]:
        """When those that are missing may be started."""
        return [pool.retry_at for pool, _ in self._fillable(is_ending=is_ending)]

    def _served(self) -> set[int]:
        """Give the numbers of generations of which a worker lives."""
        return {worker.generation for worker in self._roster.of(Role.WORKER)}

    def _send_away(self, now: float) -> Iterator[Order]:
        needed = {generation.number for generation in self._roster.generations} | self._served()
        for number in sorted(self._pools.keys() - needed):
            pool = self._pools.pop(number)
            # Where there are no workers, there may be tasks: who gave them is not of the fleet.
            grace = self._plan.graceful_timeout if self._plan.is_bare else HURRY
            for process in list(pool.members.values()):
                if process.allows(Step.STOP):
                    yield self._dismiss(pool, process, grace, now)

    def _fillable(self, *, is_ending: bool) -> list[tuple[Pool, Process | None]]:
        """Those that miss somebody, each with the template that can fork it."""
        if self.supply.is_held:
            return []
        pools = list(self._pools.values())
        if is_ending:  # perhaps as code has failed, which is not tried again
            served = self._served()
            pools = [each for each in pools if each.has_come and each.generation.number in served]
        lacking = [pool for pool in pools if self._lacks_process(pool)]
        sources = [(pool, self._source(pool.generation)) for pool in lacking]
        return [(pool, each.template) for pool, each in sources if self.supply.can_spawn(each)]

    def _lacks_process(self, pool: Pool) -> bool:
        """Code that has failed, and that no slot is to run any more, is not tried again."""
        if len(pool.members) >= pool.wanted:
            return False
        is_current = pool.has_come or pool.generation in self._roster.generations
        return is_current and len(self._processes(pool)) < CROWD * self._plan.pool

    def _source(self, generation: Generation) -> Generation:
        """Its own; where that has lost its template, the newest: late code is better than none."""
        template = generation.template
        is_lost = template is None or template.phase is Phase.GONE
        return self._roster.newest if is_lost else generation

    def _spawn(self, pool: Pool, template: Process | None, now: float) -> Order:
        taken = {each.slot for each in self._processes(pool)}
        slot = next(index for index in count() if index not in taken)
        deadline = now + self._plan.start_timeout
        process = self._roster.add_pool(pool.generation, slot, template, now, deadline)
        pool.members[process.id] = process
        return SpawnPool(process.id, slot, process.generation, process.parent)

    def _dismiss(self, pool: Pool, process: Process, grace: float, now: float) -> Order:
        """Have it finish and go; whoever is missing then may come at once."""
        self._remove(pool, process, now)
        return removal.drain(process, grace, now)

    def _remove(self, pool: Pool, process: Process, now: float) -> None:
        """Count on it no more; where the pool was whole for a while, forget what failed before."""
        uptimes = [each.uptime(now) for each in pool.members.values()]
        lasting = sum(each is not None and each >= self._plan.min_uptime for each in uptimes)
        if lasting >= max(1, self._plan.pool_min):
            pool.generation.pool_deaths.forget()
        del pool.members[process.id]

    def _processes(self, pool: Pool) -> list[Process]:
        """All of them, those on their way out included."""
        number = pool.generation.number
        return [each for each in self._roster.of(Role.POOL) if each.generation == number]

    def _pool_of(self, process: Process) -> Pool | None:
        """The pool that counts on it; None: nobody waits for it."""
        pool = self._pools.get(process.generation)
        return pool if pool and process.id in pool.members else None
