"""Thousands of random lives of a fleet; a failure prints the seed that replays it."""

from random import Random

import pytest
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
from prefork.core.process import TRANSITIONS, Phase, Step
from prefork.core.removal import HURRY, KILL_GRACE
from prefork.errors import ExitCode

LIVES = 2000
START = 10.0  # seconds, as in the plan
NEVER = float("inf")
WORKERS = 3


class Being:
    """A process of the world: what it is, and how far it has come."""

    def __init__(self, id: int, slot: int | None, parent: int | None, deadline: float) -> None:
        self.id = id
        self.slot = slot  # None: a template
        self.parent = parent
        self.deadline = deadline  # not to be killed before, unless it is guilty
        self.is_guilty = False  # said what it must not say
        self.is_leaving = False
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
        self.stillborn: list[Being] = []
        self.finished: list[int] = []
        self.obey(self.fleet.start(self.now))

    # -- orders --------------------------------------------------------------

    def obey(self, orders: list[Order]) -> None:
        assert not self.finished or not orders, f"orders after the end: {orders}"
        for order in orders:
            match order:
                case StartTemplate(id):
                    self.create(Being(id, None, None, self.now + START))
                    assert len([b for b in self.templates() if not b.is_told]) <= 2
                case Spawn(id, slot, _, template):
                    self.create(Being(id, slot, template, self.now + START))
                    assert template is None or self.beings[template].is_ready
                    self.check_slot(slot)
                case Admit(id):
                    assert self.beings[id].is_ready
                    assert id not in self.admitted, "admitted twice"
                    self.admitted.add(id)
                case AskToStop(id, grace):
                    assert grace >= 0
                    self.order_stop(self.beings[id], grace)
                case Kill(id):
                    self.doom(self.beings[id])
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
        while self.stillborn:  # the host gives up what nobody is left to tell of
            self.exit(self.stillborn.pop(), -9)
        assert len(self.finished) <= 1
        assert self.announced <= 1

    def order_stop(self, being: Being, grace: float) -> None:
        """A second order may shorten the first one's deadline; it never prolongs it."""
        is_loaded = being.slot is None and being.is_ready
        deadline = self.now + (HURRY if is_loaded else grace + KILL_GRACE)
        being.deadline = min(being.deadline, deadline) if being.is_told else deadline
        being.is_told = True

    def doom(self, being: Being) -> None:
        """Nobody is killed twice, nor without a reason."""
        if being.pid is None and (being.parent or 0) not in self.beings:
            self.stillborn.append(being)
        assert not being.is_doomed, "killed twice"
        is_silent = any(
            child.parent == being.id and child.pid is None and child.deadline <= self.now
            for child in self.beings.values()
        )
        is_late = being.deadline <= self.now
        assert being.is_guilty or is_late or is_silent, "killed without a reason"
        being.is_doomed = being.pid is not None

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
        self.pass_time()
        if not self.beings or self.finished:
            return
        being = self.beings[self.random.choice(sorted(self.beings))]
        match self.random.randrange(10):
            case 0 | 1 | 2:
                self.fork(being)
            case 3 | 4 | 5:
                self.ready(being)
            case 6:
                self.say(being)
            case 7:
                self.fail(being)
            case 8:
                self.exit(being, self.random.choice((0, 1, -9, ExitCode.CUT)))
            case _:
                pass

    def pass_time(self) -> None:
        self.obey(self.fleet.tick(self.now))
        for being in self.beings.values():
            # What has no pid can't be killed: the template is, that should have forked it.
            culprit = self.beings.get(being.parent or 0) if being.pid is None else being
            if culprit is not None and being.deadline <= self.now:
                assert culprit.is_doomed, "outlived its deadline"

    def fork(self, being: Being) -> None:
        if being.pid is None:
            being.pid = 1000 + being.id
            self.tell(Forked(being.id, being.pid))

    def ready(self, being: Being) -> None:
        """A worker's READY may overtake its pid; the host introduces it then."""
        self.fork(being)
        if being.id in self.beings and not being.is_ready and not being.is_doomed:
            being.is_ready = True
            if not being.is_told:
                being.deadline = NEVER
            self.tell(Ready(being.id))
            if being.slot is not None and not being.is_told:
                assert being.id in self.admitted, "ready, and not admitted"

    def say(self, being: Being) -> None:
        """Say something, in place or not; what is out of place costs the sender its life."""
        if being.pid is None:
            return
        match self.random.randrange(4):
            case 0 if being.is_ready:
                self.accuse(being, Ready(being.id))
            case 1:
                self.leave(being)
            case 2:
                self.decline(being)
            case 3:
                self.accuse(being, Misbehaved(being.id))
            case _:
                pass  # READY for the first time: `ready` does that

    def leave(self, being: Being) -> None:
        crosses = being.is_told or being.is_doomed
        in_place = being.is_ready and not being.is_leaving
        if being.slot is None or not (in_place or crosses):
            self.accuse(being, Leaving(being.id))
        elif not being.is_leaving:
            being.is_leaving = True
            self.tell(Leaving(being.id))
            assert crosses or self.is_closed or not being.is_doomed, "punished for leaving"

    def decline(self, being: Being) -> None:
        if being.slot is not None or being.is_ready:
            self.accuse(being, Declined(being.id))
        else:
            is_news = not (being.is_told or being.is_doomed)
            before = len(self.seen)
            being.is_told = True
            if is_news:
                being.deadline = self.now + HURRY
            self.tell(Declined(being.id))
            assert len(self.seen) - before == is_news, "an empty template follows, once"

    def accuse(self, being: Being, fact: Fact) -> None:
        being.is_guilty = True
        self.tell(fact)
        assert being.is_doomed or being.is_told, "went unpunished"

    def stop(self, fact: Fact, grace: float) -> None:
        """Every worker is told, and in time."""
        self.tell(fact)
        for being in self.beings.values():
            dies = self.fleet.roster.processes[being.id].phase is Phase.KILLED
            if being.slot is not None and not dies:
                assert being.is_told, "overlooked by the stop"
                assert being.deadline <= self.now + grace + KILL_GRACE

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
            self.pass_time()
            for being in list(self.beings.values()):
                if being.id not in self.beings:
                    continue
                parent = None if being.parent is None else self.beings.get(being.parent)
                is_fading = being.is_told and self.random.random() < 0.3
                if being.is_doomed or (is_fading and not (being.pid is None and parent is None)):
                    self.exit(being, 0)
                elif self.random.random() < 0.3:
                    self.ready(being)
                elif self.random.random() < 0.3:
                    self.say(being)


def live(seed: int) -> World:
    """Let a fleet live for a while, then stop it; it must end, and cleanly."""
    world = World(seed)
    for _ in range(world.random.randrange(80)):
        if world.finished:
            break
        world.step()
    if not world.finished:
        if world.random.random() < 0.8:
            world.stop(StopRequested(), grace=30)
        else:
            world.stop(QuitRequested(), grace=0)
        if world.random.random() < 0.3 and not world.finished:
            world.stop(StopRequested(), grace=HURRY)
        world.run_out()
    return world


def test_any_life_ends_cleanly() -> None:
    for seed in range(LIVES):
        try:
            world = live(seed)
            assert len(world.finished) == 1, f"never finished: {world.fleet!r}"
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}") from error


ROWS = [pytest.param(row, id=f"{row[0].name}-{row[1].name}") for row in TRANSITIONS]
STAYING = [p for p, to in zip(ROWS, TRANSITIONS.values(), strict=True) if to is not Phase.GONE]


@pytest.mark.parametrize("row", ROWS)
def test_a_missing_transition_is_noticed(
    row: tuple[Phase, Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(TRANSITIONS, row)
    with pytest.raises(AssertionError, match="seed"):
        test_any_life_ends_cleanly()


@pytest.mark.parametrize("row", STAYING)
def test_a_wrong_transition_is_noticed(
    row: tuple[Phase, Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TRANSITIONS, row, Phase.GONE)
    with pytest.raises(AssertionError, match="seed"):
        test_any_life_ends_cleanly()


def test_the_same_seed_lives_the_same_life() -> None:
    first, second = live(7), live(7)
    assert (first.now, first.seen, first.finished) == (second.now, second.seen, second.finished)


def test_lives_differ_enough_to_mean_something() -> None:
    codes = {world.finished[0] for world in map(live, range(300))}
    assert codes >= {ExitCode.OK, ExitCode.CUT, ExitCode.APP_IMPORT, ExitCode.APP_START}
