"""A world in which a script decides who is forked, and what is promised to it."""

from dataclasses import replace
from itertools import count

from tests.core.fleets import plan
from tests.core.world import MOST, NEVER, START, Being, World

from prefork.core.facts import DisconnectRequested, Fact, ForkRequested, Leaving, ScaleRequested
from prefork.core.orders import GiveUp, ReleaseListeners, ReloadState, ReloadStatus
from prefork.core.plan import Plan
from prefork.errors import ExitCode


class ScriptWorld(World):
    """Forks and disconnects as it likes; some of its workers never listen."""

    def __init__(self, seed: int) -> None:
        self.asked: dict[int, int] = {}  # slots by id of those that are to come
        self.silent: set[int] = set()  # ids of those that never listen
        self.heirs: set[int] = set()  # ids of those that came to take over
        self.lost: int | None = None  # id of the last that has exited
        self.away: set[int] = set()  # ids of those that were told to go, or asked to
        self.going: set[int] | None = None  # ids that a disconnect waits for
        self.has_released = False  # in this batch of orders
        self.is_over = False  # released, and nobody was asked for since
        self.is_clean = True  # of those that a disconnect waited for since, each went well
        self.is_stopped = False
        self.is_recovering = False
        self.releases = 0
        self.given_up = 0
        super().__init__(seed)

    def choose(self) -> Plan:
        return replace(plan(0, templates=False), scripted=True)

    # -- what it wishes ------------------------------------------------------

    def step(self) -> None:
        if self.finished:
            return
        match self.random.randrange(24):
            case 0 | 1 | 2 | 3:
                self.request_fork()
            case 4 if self.random.random() < 0.4:
                self.disconnect(None)
            case 5:
                self.disconnect(self.random.choice([*self.beings, *self.asked, 0]))
            case 6 if self.random.random() < 0.4:
                self.crash()
            case _:
                super().step()

    def crash(self) -> None:
        """Fork again as soon as one has died, as handlers do; somewhere it has to wait."""
        for _ in range(4):
            before = self.seen | self.asked.keys()
            self.request_fork()
            for id in self.beings.keys() - before:
                self.exit(self.beings[id], 1)

    def request_fork(self) -> None:
        if len(self.beings) + len(self.asked) > MOST:
            return
        seat = self.fleet.reserve()
        taken = {b.slot for b in self.beings.values()} | set(self.asked.values())
        assert seat.slot == next(slot for slot in count() if slot not in taken), "not the lowest"
        assert seat.id not in self.seen | self.asked.keys(), "an id was used twice"
        self.asked[seat.id] = seat.slot
        self.is_over, self.is_clean = False, True
        self.tell(ForkRequested(seat.id, seat.slot))

    def disconnect(self, id: int | None) -> None:
        workers = {b.id for b in self.beings.values() if b.slot is not None}
        those = workers | self.asked.keys()
        if id is not None:
            those &= {id}
        self.away |= those
        if id is None and not self.is_closed:
            self.going = workers | (self.going or set())
        self.tell(DisconnectRequested(id))
        assert not those & self.asked.keys(), "comes all the same"
        assert all(self.beings[id].is_going for id in those & self.beings.keys()), "stays"

    def scale(self, by: int) -> None:
        before = self.fleet.roster.slots
        self.tell(ScaleRequested(by))
        assert self.fleet.roster.slots == before, "scaled by others than the script"

    def stop(self, fact: Fact, grace: float) -> None:
        self.is_stopped = True
        super().stop(fact, grace)
        assert not self.asked, "waits for the end of the world"

    # -- what it is promised -------------------------------------------------

    def obey_script(self, order: GiveUp | ReleaseListeners) -> None:
        match order:
            case GiveUp(id):
                assert self.is_stopped or self.is_closed or id in self.away, "not forked"
                del self.asked[id]
                self.given_up += 1
            case ReleaseListeners():
                self.has_released = True

    def check_asked(self, id: int, slot: int) -> None:
        """Nobody comes unasked, but to take over from one that serves."""
        self.patience = NEVER
        if id in self.asked:
            assert self.asked.pop(id) == slot
            return
        self.patience = START
        self.heirs.add(id)
        elders = [b for b in self.beings.values() if b.slot == slot and self.serves(b)]
        assert elders, "respawned unasked"
        assert self.is_reloading or elders[0].is_worn, "replaced unasked"

    def check_released(self) -> None:
        """Listeners are released exactly when all have gone that were there."""
        left = None if self.going is None else self.going & self.beings.keys()
        is_time = left is not None and not left and not self.is_closed
        assert self.has_released == is_time, "released too early, or not"
        if is_time:
            self.going, self.has_released, self.is_over = None, False, True
            self.releases += 1

    def exit(self, being: Being, status: int) -> None:
        self.lost = being.id
        was_let_finish = being.has_left and not being.is_doomed and status == 0
        if being.id in (self.going or ()) and not was_let_finish:
            self.is_clean = False
        super().exit(being, status)

    def check_reload(self, status: ReloadStatus) -> None:
        """Those alone speak against new code who came to take over."""
        super().check_reload(status)
        if status.state is ReloadState.FAILED:
            assert self.lost in self.heirs, "failed for one that the script had forked"
            keep = [b for b in self.beings.values() if self.runs(b, status.generation)]
            assert status.moved <= len(keep), "counts those that never listened"

    def check_closing(self) -> None:
        assert self.is_stopped or self.is_over, "ended unasked"
        if not self.is_stopped:
            assert not self.workers(), "ended with somebody there"
            assert not self.asked, "ended with somebody to come"

    def is_sent_away(self, being: Being) -> bool:
        return being.id in self.away

    def slots(self) -> set[int]:
        """Those in which somebody has listened."""
        return {b.slot for b in self.beings.values() if b.slot is not None and self.serves(b)}

    def pass_time(self) -> None:
        super().pass_time()
        if self.finished and not self.is_stopped and self.is_clean:
            assert self.finished == [ExitCode.OK], "cut, though all were let finish"
        if self.is_over and not self.workers() and not self.asked:
            assert self.is_closed, "goes on with nobody there, and nobody to come"

    # -- what workers do -----------------------------------------------------

    def workers(self) -> list[Being]:
        return [b for b in self.beings.values() if b.slot is not None]

    def create(self, being: Being) -> None:
        super().create(being)
        if being.slot is not None and self.random.random() < 0.2 and not self.is_recovering:
            self.silent.add(being.id)

    def ready(self, being: Being) -> None:
        if being.id in self.silent:
            self.fork(being)
        else:
            super().ready(being)

    def leave(self, being: Being) -> None:
        """Whoever wants to go is told to: its elder's flag is set before its exit."""
        if being.slot is None:
            self.accuse(being, Leaving(being.id))
            return
        being.is_leaving = True
        self.away.add(being.id)
        self.tell(Leaving(being.id))
        assert being.is_going, "not told that it may go"

    # -- when nothing goes wrong any more ------------------------------------

    def recover(self) -> None:
        """All that were asked for come; a reload moves those that listen."""
        self.is_recovering = True
        self.request_fork()
        self.settle()
        if self.finished:
            return
        assert not self.asked
        assert self.fleet.state == "serving", self.fleet.state
        if not self.slots():
            return
        self.request_reload()
        self.settle()
        assert self.reloads[-1].state is ReloadState.SUCCEEDED, self.reloads[-1]
        assert {b.generation for b in self.workers() if self.serves(b)} == {self.promised}
        assert self.fleet.state == "serving", self.fleet.state

    def settle(self) -> None:
        self.be_kind()
        if not self.finished:
            self.pass_time()
            self.be_kind()

    def behaves(self, being: Being) -> bool:
        is_quiet = being.id in self.silent and being.pid is not None
        return not (is_quiet and not being.is_going) and super().behaves(being)
