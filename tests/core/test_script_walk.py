"""Random lives of a script's fleet: nobody comes unasked, and whoever was told to goes."""

from random import Random

import pytest

from prefork.core.facts import (
    Blocked,
    DisconnectRequested,
    Exited,
    Fact,
    Forked,
    ForkRequested,
    HubWanted,
    Leaving,
    LeftRotation,
    Misbehaved,
    Proven,
    Ready,
    Recovered,
    ReloadRequested,
    StopRequested,
    Verdict,
)
from prefork.core.fleet import Fleet
from prefork.core.orders import (
    Admit,
    Appoint,
    AskToStop,
    CloseListeners,
    Finish,
    GiveUp,
    Kill,
    Order,
    ReleaseListeners,
    ReloadState,
    Spawn,
    StartHub,
    TellReload,
)
from prefork.core.plan import Plan

PLAN = Plan(0, False, True, start_timeout=10, graceful_timeout=5, scripted=True)
LIVES = 600
STEPS = 60
CROWD = 3  # who serves, who comes, who drains
MOST = 6  # workers that the script has at a time


class Being:
    """A worker, or the hub, of the world."""

    def __init__(self, id: int, slot: int | None) -> None:
        self.id = id
        self.slot = slot
        self.is_forked = self.is_ready = self.is_admitted = False
        self.is_told = self.is_doomed = self.has_left = self.is_blocked = False


class World:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = 0.0
        self.fleet = Fleet(PLAN)
        self.beings: dict[int, Being] = {}
        self.seen: set[int] = set()
        self.asked: dict[int, int] = {}  # slot by id, of forks that are neither there nor given up
        self.awaited: set[int] | None = None  # ids that a disconnect waits for
        self.leader: int | None = None
        self.is_reloading = self.is_closed = self.is_finished = self.may_finish = False
        self.obey(self.fleet.start(0.0))

    # -- orders --------------------------------------------------------------

    def obey(self, orders: list[Order]) -> None:
        for order in orders:
            assert not self.is_finished, f"{order} after the end"
            match order:
                case Spawn(id, slot, _, template):
                    self.spawn(id, slot)
                    assert template is None
                case StartHub(id):
                    assert not any(b.slot is None for b in self.beings.values()), "two hubs"
                    self.beings[id] = Being(id, None)
                case GiveUp(id):
                    del self.asked[id]
                case Admit(id):
                    self.beings[id].is_admitted = True
                case Appoint(id):
                    assert not self.leads(self.leader), "two leaders"
                    self.leader = id
                case AskToStop(id):
                    self.beings[id].is_told = True
                case Kill(id):
                    self.beings[id].is_doomed = True
                case ReleaseListeners():
                    assert self.awaited is not None, "nothing was to be released"
                    assert not self.awaited & self.beings.keys(), "released too early"
                    self.awaited, self.may_finish = None, True
                case CloseListeners():
                    self.is_closed = True
                case TellReload(status):
                    self.is_reloading = status.state is ReloadState.RUNNING
                case Finish():
                    assert not self.beings, "finished too early"
                    self.is_finished = True
                case _:
                    pass  # of what is common to all fleets: see world.py
        if self.awaited is not None and not self.is_closed:
            assert self.awaited & self.beings.keys(), "released too late"

    def leads(self, id: int | None) -> bool:
        return id in self.beings and not self.beings[id].has_left

    def spawn(self, id: int, slot: int) -> None:
        assert not self.is_closed, "forked while all end"
        assert id not in self.seen, "an id was used twice"
        there = [b for b in self.beings.values() if b.slot == slot]
        if self.asked.pop(id, slot) != slot:
            raise AssertionError("in another slot than was named")
        if id not in self.named:
            assert self.is_reloading, "forked unasked"
            assert 1 <= len(there) < CROWD
        self.seen.add(id)
        self.beings[id] = Being(id, slot)

    # -- events --------------------------------------------------------------

    named: frozenset[int] = frozenset()

    def tell(self, fact: Fact) -> None:
        self.obey(self.fleet.handle(fact, self.now))

    def fork(self) -> None:
        taken = {b.slot for b in self.beings.values()} | set(self.asked.values())
        seat = self.fleet.reserve()
        assert seat.slot == next(n for n in range(99) if n not in taken), "not the lowest free"
        self.asked[seat.id] = seat.slot
        self.named |= {seat.id}
        self.may_finish = False
        self.tell(ForkRequested(*seat))

    def disconnect(self, id: int | None) -> None:
        if id is None and not self.is_closed:
            workers = {b.id for b in self.beings.values() if b.slot is not None}
            self.awaited = workers | (self.awaited or set())
        if id is None and not self.is_closed and not self.awaited:
            self.obey_release()
        else:
            self.tell(DisconnectRequested(id))
        left = self.asked.keys() if id is None else self.asked.keys() & {id}
        assert self.is_closed or not left, "never given up"

    def obey_release(self) -> None:
        orders = self.fleet.handle(DisconnectRequested(None), self.now)
        assert ReleaseListeners() in orders, "never released"
        self.obey(orders)

    def step(self) -> None:
        self.now += self.random.choice((0.0, 0.0, 0.05, 0.3, 2.0))
        self.obey(self.fleet.tick(self.now))
        if self.is_finished:
            assert self.may_finish or self.is_closed
            return
        being = self.random.choice(list(self.beings.values())) if self.beings else None
        match self.random.randrange(12):
            case 0 | 1 if len(self.beings) + len(self.asked) < MOST:
                self.fork()
            case 2 if self.random.random() < (0.7 if self.asked else 0.3):
                self.disconnect(self.random.choice([None, *self.beings, *self.asked]))
            case 3 if self.random.random() < 0.3:
                self.tell(ReloadRequested())
            case 4 if self.random.random() < 0.2:
                self.tell(HubWanted())
            case _:
                if being is not None:
                    self.live(being)

    def live(self, being: Being) -> None:
        if not being.is_forked:
            being.is_forked = True
            self.tell(Forked(being.id, 100 + being.id))
        elif being.is_told or being.is_doomed or self.random.random() < 0.2:
            self.leave(being)
        elif not being.is_ready:
            being.is_ready = True
            self.tell(Ready(being.id))
        elif being.slot is not None:
            self.say(being)

    def leave(self, being: Being) -> None:
        if being.is_told and being.is_admitted and not being.has_left and not being.is_doomed:
            being.has_left = True
            self.tell(LeftRotation(being.id))
        else:
            del self.beings[being.id]
            self.tell(Exited(being.id, self.random.choice((0, 1, -9))))

    def say(self, being: Being) -> None:
        match self.random.randrange(5):
            case 0:
                self.tell(Leaving(being.id))
                assert being.is_told, "asked to leave, and was not told to"
            case 1 if self.random.random() < 0.2:
                self.tell(Misbehaved(being.id))
            case 2:
                being.is_blocked = not being.is_blocked
                is_blocked = being.is_blocked
                blocked = Blocked(being.id, Verdict.LOOP, 2.0)
                self.tell(blocked if is_blocked else Recovered(being.id, 3.0))
            case _:
                self.tell(Proven(being.id))

    def end(self) -> None:
        """Stop, and let everybody go: that is the end of it."""
        if not self.is_finished:
            self.tell(StopRequested())
        for _ in range(400):
            if self.is_finished:
                return
            for being in list(self.beings.values()):
                if being.id in self.beings:
                    self.live(being)
            self.now += 1.0
            self.obey(self.fleet.tick(self.now))
        raise AssertionError(f"never finished: {self.fleet!r}")


def live(seed: int) -> World:
    world = World(seed)
    for _ in range(STEPS):
        if not world.is_finished:
            world.step()
    if not world.is_finished:
        due = [t for t in (world.fleet.next_deadline(),) if t is not None]
        world.now = max([world.now, *due])
        world.obey(world.fleet.tick(world.now))
    if not world.is_finished:
        world.end()
    return world


def test_any_life_of_a_script_ends_cleanly() -> None:
    for seed in range(LIVES):
        try:
            live(seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error


def test_lives_differ_enough_to_mean_something() -> None:
    worlds = [live(seed) for seed in range(100)]
    assert sum(world.may_finish for world in worlds) > 3
    assert sum(not world.is_closed for world in worlds) == 0
    assert max(len(world.seen) for world in worlds) > 12


@pytest.mark.parametrize("seed", [3])
def test_the_same_seed_lives_the_same_life(seed: int) -> None:
    first, second = live(seed), live(seed)
    assert (first.now, first.seen) == (second.now, second.seen)
