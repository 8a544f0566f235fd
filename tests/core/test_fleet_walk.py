"""Thousands of random lives of a fleet; a failure prints the seed that replays it."""

from random import Random

from tests.core.fleets import plan

from prefork.core.fleet import Fleet
from prefork.core.messages import (
    Admit,
    AnnounceReady,
    AskToStop,
    CloseListeners,
    Declined,
    Exited,
    Fact,
    Failed,
    Finish,
    Forked,
    Kill,
    Leaving,
    Misbehaved,
    Note,
    Order,
    QuitRequested,
    Ready,
    Spawn,
    Stage,
    StartTemplate,
    StopRequested,
)
from prefork.errors import ExitCode

LIVES = 2000
WORKERS = 3


class Being:
    """A process of the world: what it is, and how far it has come."""

    def __init__(self, id: int, slot: int | None, parent: int | None) -> None:
        self.id = id
        self.slot = slot  # None: a template
        self.parent = parent
        self.pid: int | None = None
        self.is_ready = False
        self.is_told = False  # to stop
        self.is_doomed = False  # killed


class World:
    """The operating system as a fleet sees it: it obeys, but late and in any order."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = 0.0
        self.fleet = Fleet(
            plan(
                WORKERS,
                templates=self.random.random() < 0.9,
                preload=self.random.random() < 0.7,
            )
        )
        self.beings: dict[int, Being] = {}
        self.seen: set[int] = set()  # every id there ever was
        self.admitted: set[int] = set()
        self.is_closed = False
        self.announced = 0
        self.finished: list[int] = []
        self.obey(self.fleet.start(self.now))

    # -- orders --------------------------------------------------------------

    def obey(self, orders: list[Order]) -> None:
        assert not self.finished or not orders, f"orders after the end: {orders}"
        for order in orders:
            match order:
                case StartTemplate(id):
                    self.create(Being(id, None, None))
                    assert len([b for b in self.templates() if not b.is_told]) <= 2
                case Spawn(id, slot, _, template):
                    self.create(Being(id, slot, template))
                    assert template is None or self.beings[template].is_ready
                    self.check_slot(slot)
                case Admit(id):
                    assert self.beings[id].is_ready
                    assert id not in self.admitted, "admitted twice"
                    self.admitted.add(id)
                case AskToStop(id, grace):
                    assert grace >= 0
                    self.beings[id].is_told = True
                case Kill(id):
                    assert self.beings[id].pid is not None, "killed without a pid"
                    assert not self.beings[id].is_doomed, "killed twice"
                    self.beings[id].is_doomed = True
                case CloseListeners():
                    assert not self.is_closed
                    self.is_closed = True
                case AnnounceReady():
                    self.announced += 1
                case Finish(code):
                    assert not self.beings, "finished too early"
                    self.finished.append(code)
                case Note():
                    pass
        assert len(self.finished) <= 1
        assert self.announced <= 1

    def create(self, being: Being) -> None:
        assert not self.is_closed, "started while stopping"
        assert being.id not in self.seen, "an id was used twice"
        self.seen.add(being.id)
        self.beings[being.id] = being

    def check_slot(self, slot: int) -> None:
        """At most one process in a slot is not on its way out."""
        staying = [
            p
            for p in self.fleet.roster.processes.values()
            if p.slot == slot and p.phase.name in ("SPAWNING", "STARTING", "SERVING")
        ]
        assert len(staying) <= 1, staying

    def templates(self) -> list[Being]:
        return [b for b in self.beings.values() if b.slot is None]

    # -- events --------------------------------------------------------------

    def tell(self, fact: Fact) -> None:
        self.obey(self.fleet.handle(fact, self.now))

    def step(self) -> None:
        self.now += self.random.choice((0.0, 0.01, 0.1, 1.0, 5.0))
        self.obey(self.fleet.tick(self.now))
        if not self.beings or self.finished:
            return
        being = self.beings[self.random.choice(sorted(self.beings))]
        match self.random.randrange(10):
            case 0 | 1 | 2:
                self.fork(being)
            case 3 | 4 | 5:
                self.ready(being)
            case 6:
                self.misbehave(being)
            case 7:
                self.fail(being)
            case 8:
                self.exit(being, self.random.choice((0, 1, -9, ExitCode.CUT)))
            case _:
                pass

    def fork(self, being: Being) -> None:
        if being.pid is None:
            being.pid = 1000 + being.id
            self.tell(Forked(being.id, being.pid))

    def ready(self, being: Being) -> None:
        """A worker's READY may overtake its pid; the host introduces it then."""
        self.fork(being)
        if being.id in self.beings and not being.is_ready and not being.is_doomed:
            being.is_ready = True
            self.tell(Ready(being.id))

    def misbehave(self, being: Being) -> None:
        """Say something that may be out of place."""
        fact = self.random.choice((Ready, Leaving, Declined, Misbehaved))
        if fact is Ready and not being.is_ready and being.pid is not None:
            return  # that would be in place, and `ready` does it
        if being.pid is not None:
            self.tell(fact(being.id))

    def fail(self, being: Being) -> None:
        if being.pid is not None and not being.is_ready:
            self.tell(Failed(being.id, self.random.choice(list(Stage)), "broken"))

    def exit(self, being: Being, status: int) -> None:
        if self.beings.pop(being.id, None):
            self.tell(Exited(being.id, status))

    # -- the end -------------------------------------------------------------

    def run_out(self) -> None:
        """Whoever was told to stop or killed does so at last, and time passes."""
        for _ in range(200):
            if self.finished:
                return
            self.now += self.random.choice((0.1, 1.0, 10.0))
            self.obey(self.fleet.tick(self.now))
            for being in list(self.beings.values()):
                parent = None if being.parent is None else self.beings.get(being.parent)
                orphaned = being.pid is None and being.parent is not None and parent is None
                if being.is_doomed or orphaned or (being.is_told and self.random.random() < 0.3):
                    self.exit(being, 0)
                elif self.random.random() < 0.3:
                    self.fork(being)


def live(seed: int) -> World:
    """Let a fleet live for a while, then stop it; it must end, and cleanly."""
    world = World(seed)
    for _ in range(world.random.randrange(80)):
        if world.finished:
            break
        world.step()
    if not world.finished:
        stop = StopRequested() if world.random.random() < 0.8 else QuitRequested()
        world.tell(stop)
        if world.random.random() < 0.3 and not world.finished:
            world.tell(StopRequested())
        world.run_out()
    return world


def test_any_life_ends_cleanly() -> None:
    for seed in range(LIVES):
        try:
            world = live(seed)
            assert len(world.finished) == 1, f"never finished: {world.fleet!r}"
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def test_the_same_seed_lives_the_same_life() -> None:
    first, second = live(7), live(7)
    assert (first.now, first.seen, first.finished) == (second.now, second.seen, second.finished)


def test_lives_differ_enough_to_mean_something() -> None:
    codes = {world.finished[0] for world in map(live, range(300))}
    assert codes >= {ExitCode.OK, ExitCode.CUT, ExitCode.APP_IMPORT, ExitCode.APP_START}
