"""A world in which each generation has a pool, whose processes are taken up, and die of tasks."""

from dataclasses import replace

from tests.core.fleets import plan
from tests.core.world import START, Being, World

from prefork.core.facts import (
    Exited,
    Fact,
    Idle,
    Overgrown,
    PoolWanted,
    ScaleRequested,
    Worn,
)
from prefork.core.orders import (
    AnnounceReady,
    AskToStop,
    OpenPool,
    Order,
    ReloadState,
    ReloadStatus,
    SpawnPool,
)
from prefork.core.plan import Plan
from prefork.core.process import Phase
from prefork.core.restart import LONGEST_POOL_DELAY

TRIAL = 1.0  # seconds, as in the plan
MOST = 3  # processes of a pool


class PoolWorld(World):
    """Tasks come and go, and some end their process; some pools have no workers at all."""

    def __init__(self, seed: int) -> None:
        self.opened: set[int] = set()  # ids of those to which lines were laid
        self.idle: set[int] = set()  # ids of those that said so
        self.trying: set[int] = set()  # generations to which something can be preferred
        self.whole_at: dict[int, float] = {}  # when all of a generation's pool were there, first
        self.recycled = 0
        self.dismissed = 0
        self.late_codes = 0
        self.refuted = 0
        self.acquitted = 0  # deaths in a pool on trial of which its code was not guilty
        self.replaced_late = 0  # while all ended
        super().__init__(seed)

    def choose(self) -> Plan:
        most = self.random.randrange(1, MOST + 1)
        if self.random.random() < 0.15:
            is_forked = self.random.random() < 0.8
            least = self.random.randrange(most + 1)
            return replace(plan(0, templates=is_forked), pool=most, pool_min=least)
        return replace(super().choose(), pool=most, pool_min=self.random.randrange(most + 1))

    # -- who is there --------------------------------------------------------

    def members(self, generation: int) -> list[Being]:
        """Those that were not told to go."""
        pool = [b for b in self.beings.values() if b.is_pool and b.generation == generation]
        return [b for b in pool if not b.is_told]

    def free(self, generation: int) -> list[Being]:
        """Those that can be given a task."""
        return [b for b in self.members(generation) if b.id in self.opened and not b.is_doomed]

    def is_needed(self, generation: int) -> bool:
        """Whether there is, or is to come, who gives it tasks."""
        workers = [b for b in self.beings.values() if b.slot is not None]
        listed = [each.number for each in self.fleet.roster.generations]
        return generation in listed or any(b.generation == generation for b in workers)

    # -- orders --------------------------------------------------------------

    def obey(self, orders: list[Order]) -> None:
        for order in orders:
            if isinstance(order, AskToStop):
                self.note_stop(self.beings[order.id])
        super().obey(orders)
        if self.fleet.state == "serving" or any(isinstance(o, AnnounceReady) for o in orders):
            free = self.free(self.fleet.generation.number)
            assert len(free) >= self.plan.pool_min, "said to be whole, and some are missing"
        if self.plan.is_bare and any(isinstance(o, AnnounceReady) for o in orders):
            is_able = any(b.is_ready and not b.is_going for b in self.templates())
            assert is_able or not self.plan.templates, "up, and can't have anybody"

    def note_stop(self, being: Being) -> None:
        if being.is_template and being.is_ready:
            children = [b for b in self.beings.values() if b.parent == being.id]
            assert not children, "goes before those that it is to bury"

    def obey_pool(self, order: SpawnPool | OpenPool) -> None:
        match order:
            case SpawnPool(id, place, generation, template):
                assert self.is_needed(generation), "of no use to anybody"
                self.check_place(place, generation)
                being = Being(id, generation, None, template, self.now + START)
                being.place = place
                self.create(being)
                self.check_source(generation, template)
                self.replaced_late += self.is_closed
            case OpenPool(id):
                being = self.beings[id]
                assert being.is_pool
                assert being.is_ready
                assert not being.is_going, "opened on its way out"
                assert id not in self.opened, "opened twice"
                self.opened.add(id)

    def check_place(self, place: int, generation: int) -> None:
        """The lowest that is free; so many at most, and so many with those that go."""
        pool = [b for b in self.beings.values() if b.is_pool and b.generation == generation]
        taken = {b.place for b in pool}
        assert place == min(set(range(len(pool) + 1)) - taken), "not the lowest"
        assert len(self.members(generation)) < self.plan.pool, "more than may be"
        assert len(pool) < 2 * self.plan.pool, "too many on their way out"

    def check_source(self, generation: int, template: int | None) -> None:
        """By its own template; by the newest one only where that is gone."""
        assert (template is not None) == self.plan.templates
        if template is None:
            return
        parent = self.beings[template]
        assert parent.is_template
        assert parent.is_ready, "spawned from one that isn't ready"
        if parent.generation != generation:
            self.late_codes += 1
            assert parent.generation == self.fleet.roster.newest.number
            own = [b for b in self.templates() if b.generation == generation and not b.is_told]
            assert not own, "late code without need"

    def order_stop(self, being: Being, grace: float) -> None:
        if being.is_pool and not being.is_told:
            self.check_dismissed(being)
        super().order_stop(being, grace)

    def check_dismissed(self, being: Being) -> None:
        """Nobody is told to go who could be given a task by somebody who is there."""
        if being.is_worn:
            self.recycled += 1
        elif being.id in self.idle:
            assert len(self.members(being.generation)) > self.plan.pool_min, "too few are left"
            self.dismissed += 1
        elif self.is_closed:
            assert not self.workers(), "goes before the workers"
        else:
            assert not self.is_needed(being.generation), "told to go without a reason"

    def workers(self) -> list[Being]:
        return [b for b in self.beings.values() if b.slot is not None]

    def check_closing(self) -> None:
        """One without workers that is empty is up, and nobody knows whether any can come."""
        if not self.plan.is_bare or self.opened:
            super().check_closing()

    def check_begin(self, being: Being) -> None:
        """Who was killed is replaced for as long as a worker may wait for a task."""
        if not being.is_pool or being.generation not in {b.generation for b in self.workers()}:
            super().check_begin(being)

    def death(self, being: Being, status: int) -> Exited:
        return Exited(being.id, status, was_idle=being.is_pool and not being.has_worked)

    def check_reload(self, status: ReloadStatus) -> None:
        super().check_reload(status)
        if status.state is ReloadState.SUCCEEDED:
            free = self.free(status.generation)
            assert len(free) >= self.plan.pool_min, "over before the new pool is there"
            self.check_trial(status)
        self.refuted += status.reason.startswith("pool process")

    def check_trial(self, status: ReloadStatus) -> None:
        """As a worker has; and none where nothing ever served, which could serve on."""
        if status.generation in self.trying and self.plan.pool_min:
            since = self.whole_at[status.generation]
            assert self.now >= since + TRIAL, "over before the pool has come through"

    def request_reload(self) -> None:
        super().request_reload()
        if self.fleet.roster.has_served:
            self.trying.add(self.promised)

    # -- events --------------------------------------------------------------

    def step(self) -> None:
        if self.random.random() < 0.15 and not self.finished:
            newest = self.fleet.roster.newest.number
            self.want(self.random.randrange(1, newest + 2))
        elif self.is_reloading and self.random.random() < 0.3:
            self.go_on()
        else:
            super().step()

    def go_on(self) -> None:
        """Have new code come, or one of its pool go, or few reloads came to their pool's trial."""
        newest = self.reloads[-1].generation
        coming = [b for b in self.beings.values() if b.generation == newest and not b.is_going]
        if not coming:
            return
        being = self.random.choice(coming)
        if not being.is_ready:
            self.ready(being)
        elif being.is_pool and self.random.random() < 0.3:
            self.inspect(being)
        elif being.is_pool and self.random.random() < 0.3:
            self.exit(being, -9)

    def want(self, generation: int) -> None:
        """One more comes, if all are there, and there may be more."""
        before = self.members(generation)
        self.tell(PoolWanted(generation))
        after = self.members(generation)
        assert len(after) <= max(len(before), self.plan.pool)
        assert all(b in self.free(generation) for b in before) or len(after) >= len(before)

    def ready(self, being: Being) -> None:
        super().ready(being)
        if being.is_pool and being.is_ready and not being.is_going and being.id in self.beings:
            assert being.id in self.opened, "ready, and of no use to anybody"
            being.has_worked = self.random.random() < 0.7
            if len(self.free(being.generation)) >= self.plan.pool_min:
                self.whole_at.setdefault(being.generation, self.now)

    def inspect(self, being: Being) -> None:
        if not being.is_pool:
            super().inspect(being)
        elif being.id not in self.opened:
            was_doomed = being.is_doomed
            self.tell(Overgrown(being.id, "its task was to end"))
            assert being.is_doomed == was_doomed, "killed for a task that it can't have"
        else:
            self.task(being)

    def task(self, being: Being) -> None:
        """It has done what it may, or nothing for a while, or its task is not to be ended."""
        match self.random.randrange(3):
            case 0:
                being.is_worn = being.has_worked = True
                self.tell(Worn(being.id, "1000 tasks"))
                assert being.is_going, "is worn, and stays"
            case 1:
                self.idle.add(being.id)
                self.tell(Idle(being.id))
                self.idle.discard(being.id)
            case _:
                being.is_guilty = being.is_sacrificed = True
                self.tell(Overgrown(being.id, "its task was to end"))
                assert being.is_doomed, "runs its task for ever"

    def exit(self, being: Being, status: int) -> None:
        """Who dies of a task is replaced at once, or after a moment."""
        is_innocent = being.has_worked or being.is_sacrificed
        is_loss = being.id in self.opened and not being.is_told and is_innocent
        is_tried = self.is_reloading and being.generation == self.reloads[-1].generation
        super().exit(being, status)
        if is_tried and being.is_pool and not being.is_told:
            self.check_verdict(being)
        if is_loss and self.can_replace(being.generation):
            due = self.fleet.next_deadline()
            is_soon = due is not None and due <= self.now + LONGEST_POOL_DELAY
            is_enough = len(self.members(being.generation)) >= self.plan.pool_min
            assert is_soon or is_enough, "not replaced"

    def check_verdict(self, being: Being) -> None:
        """New code is guilty of the death of who was not ready, or never had a task."""
        is_innocent = being.id in self.opened and (being.has_worked or being.is_sacrificed)
        told = [each.state for each in self.reloads if each.generation == being.generation]
        assert (ReloadState.FAILED in told) != is_innocent, "condemned or acquitted wrongly"
        self.acquitted += is_innocent

    def can_replace(self, generation: int) -> bool:
        """Whether nothing speaks against another."""
        if self.fleet.is_waiting_for_code or not self.is_needed(generation):
            return False
        of_code = {b.generation for b in self.workers()}
        if self.is_closed and (generation not in of_code or self.plan.waits_for_code):
            return False  # or new code was waited for when all began to end
        pool = [b for b in self.beings.values() if b.is_pool and b.generation == generation]
        if len(pool) >= 2 * self.plan.pool:
            return False
        own = [b for b in self.templates() if b.generation == generation]
        return not self.plan.templates or any(b.is_ready and not b.is_going for b in own)

    def scale(self, by: int) -> None:
        if self.plan.workers:
            super().scale(by)
            return
        self.tell(ScaleRequested(by))
        assert not self.fleet.roster.slots, "got workers"

    def stop(self, fact: Fact, grace: float) -> None:
        """Where there are no workers, it is the pool that is told."""
        super().stop(fact, grace)
        if not self.workers():
            for being in self.beings.values():
                dies = self.fleet.roster.processes[being.id].phase is Phase.KILLED
                if being.is_pool and not dies:
                    assert being.is_told, "overlooked by the stop"

    # -- when nothing goes wrong any more ------------------------------------

    def recover(self) -> None:
        if self.plan.is_bare and not self.opened:  # to be sure of its code takes a process
            self.be_kind()
            self.want(self.fleet.generation.number)
        super().recover()
        if not self.finished:
            free = self.free(self.promised)
            assert self.plan.pool_min <= len(free) <= self.plan.pool
            assert len(free) == len([b for b in self.beings.values() if b.is_pool])
