"""A world for a fleet: it obeys, but late and in any order, and holds the fleet to its promises."""

from dataclasses import replace
from random import Random
from typing import TypeVar

from tests.core.fleets import plan

from prefork.core.blocking import ABORT_GRACE
from prefork.core.facts import (
    Blocked,
    Declined,
    Exited,
    Fact,
    Failed,
    Forked,
    HubWanted,
    Leaving,
    LeftRotation,
    Misbehaved,
    Overgrown,
    Proven,
    QuitRequested,
    Ready,
    Recovered,
    ReloadRequested,
    ScaleRequested,
    Stage,
    StopRequested,
    TimedOut,
    Verdict,
    Worn,
)
from prefork.core.fleet import Fleet
from prefork.core.orders import (
    Abort,
    Admit,
    AnnounceReady,
    Appoint,
    AskToStop,
    CloseListeners,
    Finish,
    GiveUp,
    Kill,
    Note,
    OpenHub,
    OpenPool,
    Order,
    ReleaseListeners,
    ReloadState,
    ReloadStatus,
    Resume,
    Spawn,
    SpawnPool,
    StartHub,
    StartTemplate,
    Suspend,
    TellReload,
)
from prefork.core.plan import Plan
from prefork.core.process import Phase, Role
from prefork.core.removal import HURRY, KILL_GRACE
from prefork.errors import ExitCode

START = 10.0  # seconds, as in the plan
TRIAL = 1.0  # likewise
NEVER = float("inf")
MOST = 5  # workers
CROWD = 3  # processes in a slot: who serves, who comes, who drains


class Being:
    """A process of the world: what it is, and how far it has come."""

    def __init__(
        self, id: int, generation: int, slot: int | None, parent: int | None, deadline: float
    ) -> None:
        self.id = id
        self.generation = generation
        self.slot = slot  # None: no worker
        self.is_hub = False
        self.place: int | None = None  # in its generation's pool
        self.parent = parent
        self.deadline = deadline  # not to be killed before, unless it is guilty
        self.is_loaded = False  # a template with the application
        self.is_guilty = False  # said what it must not say
        self.is_leaving = False
        self.pid: int | None = None
        self.is_ready = False
        self.is_told = False  # to stop
        self.is_proven = False  # said that its loop has turned for long enough
        self.has_left = False  # said that no connection reaches it any more
        self.is_blocked = False
        self.is_suspended = False
        self.is_aborted = False
        self.is_doomed = False  # killed
        self.is_worn = False
        self.is_recycled = False  # its successor is on its way for that
        self.has_worked = False  # had a task, which may be what kills it
        self.is_sacrificed = False  # killed for one, perhaps before it began that

    @property
    def is_pool(self) -> bool:
        return self.place is not None

    @property
    def is_template(self) -> bool:
        return self.slot is None and not self.is_hub and not self.is_pool

    @property
    def is_going(self) -> bool:
        return self.is_told or self.is_aborted or self.is_doomed


class World:
    """The operating system as a fleet sees it: it obeys, but late and in any order."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.aside = Random(-seed)  # of what changes nothing that comes after
        self.now = 0.0
        parallel = self.random.choice((None, 1, 2))
        self.plan = replace(self.choose(), most_workers=MOST, reload_parallel=parallel)
        self.fleet = Fleet(self.plan)
        self.reloads: list[ReloadStatus] = []  # as they were told
        self.promised = 1  # generation of the latest request's reload
        self.beings: dict[int, Being] = {}
        self.seen: set[int] = set()  # every id there ever was
        self.admitted: set[int] = set()
        self.is_closed = False
        self.was_stopped = False  # by who is to decide that
        self.announced = 0
        self.stillborn: list[Being] = []
        self.finished: list[int] = []
        self.leader: int | None = None
        self.wants_hub = False
        self.waited = False  # for new code, after a first start that failed
        self.obey(self.fleet.start(self.now))

    # -- what is otherwise where a script decides: see `scripts.py` ---------------

    patience = START  # seconds in which a worker is to be ready

    def choose(self) -> Plan:
        chosen = plan(
            self.random.randrange(1, MOST),
            templates=self.random.random() < 0.9,
            preload=self.random.random() < 0.7,
        )
        return replace(chosen, waits_for_code=self.random.random() < 0.3)

    def slots(self) -> set[int]:
        """Those that are to be filled."""
        return set(range(len(self.fleet.roster.slots)))

    def obey_script(self, order: GiveUp | ReleaseListeners) -> None:
        raise AssertionError(f"nobody here is a script: {order}")

    def obey_pool(self, order: SpawnPool | OpenPool) -> None:
        raise AssertionError(f"the plan has no pool: {order}")

    def check_asked(self, id: int, slot: int) -> None:
        """Whoever is missing comes unasked."""

    def check_closing(self) -> None:
        """It ends when it is told to, or gives up before it ever was up."""
        assert self.was_stopped or not self.announced, "ended by itself, and was up"

    def check_begin(self, being: Being) -> None:
        """Nobody is started any more when all has begun to end."""
        assert not self.is_closed, f"{being.id} started while stopping"

    def death(self, being: Being, status: int) -> Exited:
        """What is told of its death."""
        return Exited(being.id, status)

    def check_released(self) -> None:
        """Listeners are kept to the end."""

    def is_sent_away(self, being: Being) -> bool:
        """Whether nobody is to serve in its place."""
        return being.slot not in self.slots()

    # -- orders --------------------------------------------------------------

    def obey(self, orders: list[Order]) -> None:
        assert not self.finished or not orders, f"orders after the end: {orders}"
        for order in orders:
            match order:
                case StartTemplate(id, generation, loaded):
                    self.create(Being(id, generation, None, None, self.now + START))
                    self.beings[id].is_loaded = loaded
                    assert len([b for b in self.templates() if b.generation == generation]) <= 2
                case Spawn(id, slot, generation, template):
                    self.check_asked(id, slot)
                    self.create(Being(id, generation, slot, template, self.now + self.patience))
                    self.check_parent(generation, template)
                    self.check_slot(slot)
                case StartHub(id, generation):
                    assert self.wants_hub, "a hub that nobody wants"
                    assert not any(b.is_hub for b in self.beings.values()), "two hubs"
                    self.create(Being(id, generation, None, None, self.now + START))
                    self.beings[id].is_hub = True
                case Appoint(id):
                    self.appoint(id)
                case OpenHub(id):
                    assert self.beings[id].is_hub
                    assert self.beings[id].is_ready
                case Admit(id):
                    assert self.beings[id].slot is not None, "it is no worker"
                    assert self.beings[id].is_ready
                    assert id not in self.admitted, "admitted twice"
                    self.admitted.add(id)
                    self.beings[id].deadline = NEVER
                case Suspend(id):
                    assert self.serves(self.beings[id]), "suspended, and not in rotation"
                    assert self.beings[id].is_blocked, "suspended without a reason"
                    assert not self.beings[id].is_suspended, "suspended twice"
                    self.beings[id].is_suspended = True
                case Resume(id):
                    assert self.serves(self.beings[id]), "resumed on its way out"
                    assert self.beings[id].is_suspended, "resumed, and was not suspended"
                    self.beings[id].is_suspended = False
                case Abort(id):
                    assert self.beings[id].is_blocked, "aborted without a reason"
                    assert not self.beings[id].is_going, "aborted on its way out"
                    self.beings[id].is_aborted = True
                    self.beings[id].deadline = self.now + ABORT_GRACE
                case AskToStop(id, grace, hands_back):
                    assert grace >= 0
                    self.check_replaced(self.beings[id])
                    self.check_hand_back(self.beings[id], hands_back)
                    self.order_stop(self.beings[id], grace)
                case Kill(id):
                    self.doom(self.beings[id])
                case CloseListeners():
                    assert not self.is_closed
                    self.check_closing()
                    self.is_closed = True
                case GiveUp() | ReleaseListeners():
                    self.obey_script(order)
                case AnnounceReady():
                    self.announced += 1
                case Finish(code):
                    assert not self.beings, "finished too early"
                    self.finished.append(code)
                case TellReload(status):
                    self.check_reload(status)
                case SpawnPool() | OpenPool():
                    self.obey_pool(order)
                case Note():
                    pass
        while self.stillborn:  # the host gives up what nobody is left to tell of
            self.exit(self.stillborn.pop(), -9)
        assert len(self.finished) <= 1
        assert self.announced <= 1
        self.check_recycled()
        self.check_leader()
        self.check_released()
        for being in filter(self.serves, self.beings.values()):
            assert being.is_suspended == being.is_blocked, "blocked and in rotation, or neither"

    def leads(self, id: int | None) -> bool:
        """Whether it may think that it leads: until it has said that it left, or is dead."""
        return id in self.beings and not self.beings[id].has_left

    def appoint(self, id: int) -> None:
        assert not self.leads(self.leader), "two leaders"
        others = [b for b in self.beings.values() if self.serves(b) and not b.is_blocked]
        assert self.serves(self.beings[id]), "appointed on its way out"
        assert not (self.beings[id].is_blocked and others), "blocked, and others are not"
        self.leader = id

    def check_leader(self) -> None:
        """Whoever serves, somebody leads."""
        if any(map(self.serves, self.beings.values())) and not self.is_closed:
            assert self.leads(self.leader), "nobody leads"
            assert self.fleet.leader == self.leader

    def order_stop(self, being: Being, grace: float) -> None:
        """A second order may shorten the first one's deadline; it never prolongs it."""
        is_loaded = (being.is_template or being.is_hub) and being.is_ready
        deadline = self.now + (HURRY if is_loaded else grace + KILL_GRACE)
        has_one = being.is_told or being.is_aborted
        being.deadline = min(being.deadline, deadline) if has_one else deadline
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
        self.check_begin(being)
        assert being.id not in self.seen, "an id was used twice"
        self.seen.add(being.id)
        self.beings[being.id] = being

    def check_parent(self, generation: int, template: int | None) -> None:
        assert (template is not None) == self.plan.templates
        if template is not None:
            assert self.beings[template].is_ready, "spawned from one that isn't ready"
            assert self.beings[template].generation == generation, "spawned from other code"

    def check_slot(self, slot: int) -> None:
        """At most one process in a slot comes, one serves, one drains."""
        there = [p for p in self.fleet.roster.of(Role.WORKER) if p.slot == slot]
        coming = [p for p in there if p.phase.name in ("SPAWNING", "STARTING", "READY")]
        serving = [p for p in there if p.phase.name in ("SERVING", "LEAVING")]
        assert len(there) <= CROWD, there
        assert len(coming) <= 1, coming
        assert len(serving) <= 1, serving

    def serves(self, being: Being) -> bool:
        return being.id in self.admitted and not being.is_going

    def check_replaced(self, being: Being) -> None:
        """Nobody in rotation is told to go before its successor is in rotation too."""
        if self.serves(being) and not self.is_closed and not self.is_sent_away(being):
            others = [b for b in self.beings.values() if b.slot == being.slot and b is not being]
            assert any(map(self.serves, others)), "told to go without a successor"

    def check_hand_back(self, being: Being, hands_back: bool) -> None:
        """Who serves hands back what it has, if somebody who stays serves too; nobody else does."""
        others = [b for b in self.beings.values() if b is not being and self.serves(b)]
        heirs = [b for b in others if not b.is_blocked]
        stay = any(not self.is_sent_away(heir) for heir in heirs)
        has_heirs = stay and not self.is_closed
        assert hands_back == (self.serves(being) and has_heirs), "handed back wrongly"

    def check_recycled(self) -> None:
        """One at a time, from its turn until it is gone, and none in the midst of a reload."""
        for process in self.fleet.roster.processes.values():
            being = self.beings[process.id]
            is_unasked = process.phase is Phase.LEAVING and not being.is_leaving
            if is_unasked and not being.is_recycled:
                assert being.is_worn, "replaced without a reason"
                assert not self.is_reloading, "recycled in the midst of a reload"
                assert not any(b.is_recycled for b in self.beings.values()), "two at once"
                being.is_recycled = True

    def check_reload(self, status: ReloadStatus) -> None:
        last = self.reloads[-1] if self.reloads else None
        if last is None or last.generation != status.generation:
            assert last is None or last.state is not ReloadState.RUNNING, "two at once"
            assert status.state is ReloadState.RUNNING
            assert self.promised == status.generation > (last.generation if last else 1)
        else:
            assert last.state is ReloadState.RUNNING, "told of after its end"
        assert (status.finished is None) == (status.state is ReloadState.RUNNING)
        assert bool(status.reason) == (status.state in (ReloadState.FAILED, ReloadState.CANCELLED))
        if status.state is ReloadState.SUCCEEDED:
            self.check_all_run(status.generation)
            self.check_old_are_out(status.generation)
        self.reloads.append(status)

    def check_all_run(self, generation: int) -> None:
        running = {b.slot for b in self.beings.values() if self.runs(b, generation)}
        assert running == self.slots(), "not everywhere"

    def check_old_are_out(self, generation: int) -> None:
        for being in self.beings.values():
            if being.generation != generation and being.id in self.admitted:
                assert being.has_left, "over, while old code may be given a connection"

    def runs(self, being: Being, generation: int) -> bool:
        return being.generation == generation and self.serves(being)

    @property
    def is_reloading(self) -> bool:
        return bool(self.reloads) and self.reloads[-1].state is ReloadState.RUNNING

    def templates(self) -> list[Being]:
        return [b for b in self.beings.values() if b.is_template]

    # -- events --------------------------------------------------------------

    def tell(self, fact: Fact) -> None:
        self.obey(self.fleet.handle(fact, self.now))

    def step(self) -> None:
        self.now += self.random.choice((0.0, 0.01, 0.1, 1.0, 5.0))
        self.pass_time()
        if not self.beings or self.finished:
            return
        being = self.anyone()
        match self.random.randrange(16):
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
            case 9 if self.random.random() < 0.5:
                self.request_reload()
            case 10 if self.random.random() < 0.3:
                self.scale(self.random.choice((-MOST, -1, 1, 2)))
            case 11 | 12:
                self.sight(being)
            case 13 | 14:
                self.inspect(being)
            case 15 if self.random.random() < 0.3:
                self.wants_hub = True
                self.tell(HubWanted())
            case _:
                pass

    def anyone(self) -> Being:
        """One at random; rather one that is on trial, since that is soon over."""
        there = self.beings.values()
        trying = [b.id for b in there if b.slot is not None and b.is_ready and not b.is_told]
        trying = [id for id in trying if id not in self.admitted]
        is_rare = bool(trying) and self.random.random() < 0.3
        return self.beings[self.random.choice(sorted(trying if is_rare else self.beings))]

    def request_reload(self) -> None:
        self.waited = self.waited or self.fleet.is_waiting_for_code
        self.promised = self.fleet.next_generation
        self.tell(ReloadRequested())

    def scale(self, by: int) -> None:
        before = len(self.fleet.roster.slots)
        self.tell(ScaleRequested(by))
        is_possible = 1 <= before + by <= MOST and not self.is_closed
        assert len(self.fleet.roster.slots) == before + by * is_possible
        for process in self.fleet.roster.of(Role.WORKER):
            if (process.slot or 0) >= len(self.fleet.roster.slots):
                going = (Phase.DRAINING, Phase.ABORTED, Phase.KILLED)
                assert process.phase in going, "scaled away, and stays"

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
            if being.slot is None or being.is_told or being.id in self.admitted:
                return
            assert self.is_on_trial(being), "ready, and not admitted"
            being.deadline = self.now + TRIAL + START

    def is_on_trial(self, being: Being) -> bool:
        """Only what a reload brings, and only while somebody else serves."""
        is_new = self.is_reloading and being.generation == self.reloads[-1].generation
        return is_new and any(map(self.serves, self.beings.values()))

    def say(self, being: Being) -> None:
        """Say something, in place or not; what is out of place costs the sender its life."""
        if being.pid is None:
            return
        match self.random.randrange(6):
            case 5:
                self.prove(being)
            case 0 if being.is_ready:
                self.accuse(being, Ready(being.id))
            case 4:
                self.leave_rotation(being)
            case 1:
                self.leave(being)
            case 2:
                self.decline(being)
            case 3:
                self.accuse(being, Misbehaved(being.id))
            case _:
                pass  # READY for the first time: `ready` does that

    def leave(self, being: Being) -> None:
        crosses = being.is_going
        if being.slot is None or not (being.is_ready or crosses):
            self.accuse(being, Leaving(being.id))
        else:
            being.is_leaving = True
            self.tell(Leaving(being.id))
            assert crosses or self.is_closed or not being.is_doomed, "punished for leaving"

    def prove(self, being: Being) -> None:
        if being.slot is None or not (being.is_ready or being.is_told or being.is_doomed):
            self.accuse(being, Proven(being.id))
            return
        being.is_proven = True
        self.tell(Proven(being.id))
        if being.is_ready and not being.is_going:
            assert being.id in self.admitted, "proven, and not admitted"

    def leave_rotation(self, being: Being) -> None:
        if being.slot is not None and being.is_going:
            being.has_left = True
            self.tell(LeftRotation(being.id))
        else:
            self.accuse(being, LeftRotation(being.id))

    def sight(self, being: Being) -> None:
        """The watchdog sees a worker that has beaten, blocked; recovered; or blocked for long."""
        if being.slot is None or not being.is_ready:
            return
        if not being.is_blocked:
            being.is_blocked = True
            self.tell(Blocked(being.id, Verdict.LOOP, 2.0))
        elif self.random.random() < 0.5:
            self.revive(being)
        else:
            was_going = being.is_going
            self.tell(TimedOut(being.id, Verdict.LOOP, 30.0))
            assert was_going or being.is_aborted, "blocked for ever"
            if being.is_aborted and self.aside.random() < 0.5:
                self.leave(being)  # it caught the signal, and turns again

    def inspect(self, being: Being) -> None:
        """A worker that has beaten turns out to be worn, or to have grown beyond measure."""
        if being.slot is None or not being.is_ready:
            return
        if self.random.random() < 0.8:
            being.is_worn = True
            self.tell(Worn(being.id, "1000 requests"))
        else:
            being.is_guilty = True
            self.tell(Overgrown(being.id, "took 900 MiB of memory"))
            assert being.is_doomed, "grows for ever"

    def revive(self, being: Being) -> None:
        being.is_blocked = False
        self.tell(Recovered(being.id, 3.0))

    def decline(self, being: Being) -> None:
        crosses = being.is_told or being.is_doomed
        if not being.is_template or being.is_ready or not (being.is_loaded or crosses):
            self.accuse(being, Declined(being.id))
        else:
            is_news = not crosses
            before = len(self.templates())
            being.is_told = True
            if is_news:
                being.deadline = self.now + HURRY
            self.tell(Declined(being.id))
            is_newest = being.generation == self.fleet.roster.newest.number
            follows = is_news and is_newest  # else the newer one's template forks what is missing
            assert len(self.templates()) - before == follows, "an empty template follows, once"

    def accuse(self, being: Being, fact: Fact) -> None:
        being.is_guilty = True
        self.tell(fact)
        assert being.is_doomed or being.is_told, "went unpunished"

    def stop(self, fact: Fact, grace: float) -> None:
        """Every worker is told, and in time."""
        self.was_stopped = True
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
            self.tell(self.death(being, status))

    # -- when nothing goes wrong any more ------------------------------------

    def recover(self) -> None:
        """Whatever has happened: the fleet becomes whole, and the next good reload works."""
        self.be_kind()
        if self.finished:
            return
        if self.fleet.is_waiting_for_code:
            self.request_reload()
            self.be_kind()
        assert self.fleet.state == "serving", self.fleet.state
        self.request_reload()
        self.be_kind()
        assert self.reloads[-1].state is ReloadState.SUCCEEDED, self.reloads[-1]
        assert self.reloads[-1].generation == self.promised == self.fleet.generation.number
        assert self.fleet.state == "serving", self.fleet.state
        hubs = {b.id for b in self.beings.values() if b.is_hub}
        assert {b.generation for b in self.beings.values() if not b.is_hub} <= {self.promised}
        others = [b for b in self.beings.values() if not b.is_hub and not b.is_pool]
        assert len(others) == len(self.fleet.roster.slots) + self.plan.templates
        assert len(hubs) == self.wants_hub

    def be_kind(self) -> None:
        """Let everybody do what is expected of them, until nothing is expected any more."""
        for _ in range(300):
            while any([self.behaves(being) for being in list(self.beings.values())]):
                continue
            deadline = self.fleet.next_deadline()
            if self.finished or (deadline is None and not self.is_reloading):
                return
            self.now = max(self.now, deadline or self.now)
            self.pass_time()
        raise AssertionError("never calm")

    def behaves(self, being: Being) -> bool:
        """Whether there was something to do."""
        if being.id not in self.beings or self.finished:
            return False
        is_unborn = being.pid is None and being.parent is not None
        if is_unborn and being.parent not in self.beings:
            self.exit(being, 0)  # its template died before it forked it
        elif being.is_going:
            self.exit(being, 0)
        elif being.is_blocked:
            self.revive(being)
        elif not being.is_ready:
            self.ready(being)
        elif being.slot is not None and being.id not in self.admitted:
            self.prove(being)
        else:
            return False
        return True

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
                is_fading = is_fading and not (being.pid is None and parent is None)
                if being.is_doomed or being.is_aborted or is_fading:
                    self.exit(being, 0)
                elif self.random.random() < 0.3:
                    self.ready(being)
                elif self.random.random() < 0.3:
                    self.say(being)


Kind = TypeVar("Kind", bound=World)


def live(seed: int, kind: type[Kind]) -> Kind:
    """Let a fleet live for a while, let it recover perhaps, then stop it; it must end cleanly."""
    world = kind(seed)
    for _ in range(world.random.randrange(100)):
        if world.finished:
            break
        world.step()
    if not world.finished and world.random.random() < 0.5:
        world.recover()
    if not world.finished:
        if world.random.random() < 0.8:
            world.stop(StopRequested(), grace=30)
        else:
            world.stop(QuitRequested(), grace=0)
        if world.random.random() < 0.3 and not world.finished:
            world.stop(StopRequested(), grace=HURRY)
        world.run_out()
    assert not world.is_reloading, "the end left a reload behind"
    return world
