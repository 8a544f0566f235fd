"""The whole set of processes: facts in, orders out.

Nothing here reads a clock, sends a signal or waits: the caller passes *now* (monotonic seconds),
performs the returned orders, and sleeps until `next_deadline()`.
"""

from collections.abc import Iterator
from typing import assert_never

from prefork.core import blocking, removal
from prefork.core.admission import Admission
from prefork.core.ending import Ending
from prefork.core.facts import (
    Blocked,
    DisconnectRequested,
    Exited,
    Fact,
    Finding,
    ForkRequested,
    HubWanted,
    Idle,
    Overgrown,
    PoolWanted,
    ProcessFact,
    QuitRequested,
    Recovered,
    ReloadRequested,
    ScaleRequested,
    StopRequested,
    TimedOut,
    Worn,
)
from prefork.core.generation import Generation
from prefork.core.hearing import Hearing
from prefork.core.hub import HubPlace
from prefork.core.leadership import Leadership
from prefork.core.losses import Losses
from prefork.core.orders import AnnounceReady, Note, Order, ReloadStatus
from prefork.core.plan import Plan
from prefork.core.pool import Pools
from prefork.core.process import LOADING, Phase, Role
from prefork.core.recycling import Recycling
from prefork.core.reload import Reload
from prefork.core.removal import HURRY
from prefork.core.roster import Roster
from prefork.core.scaling import Scaling
from prefork.core.script import Script, Seat
from prefork.core.supply import Supply


class Fleet:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.roster = Roster(plan.workers, preload=plan.preload)
        self._supply = Supply(plan, self.roster)
        self._pools = Pools(plan, self.roster, self._supply)
        self._admission = Admission(plan, self.roster, self._supply)
        self._script = Script(plan, self.roster)
        self._hearing = Hearing(plan, self.roster, self._pools, self._script)
        self._reload = Reload(plan, self.roster, self._pools)
        self._scaling = Scaling(plan, self.roster)
        self._recycling = Recycling(self.roster, self._supply, self._reload)
        self._hub = HubPlace(plan, self.roster)
        self._leadership = Leadership(self.roster)
        self._ending = Ending(self.roster, self._reload)
        self._losses = Losses(plan, self._pools, self._reload, self._ending, self._hub)

    def __repr__(self) -> str:
        slots = (f"{p.slot}:{p.phase.name}" for p in self.roster.of(Role.WORKER))
        return f"<Fleet gen={self.generation.number} [{' '.join(sorted(slots))}]>"

    @property
    def state(self) -> str:
        """starting | waiting | serving | degraded | stopping."""
        if self._ending.has_begun:
            return "stopping"
        if self._supply.is_held:
            return "waiting"
        if not self.roster.was_announced and not self._plan.scripted:
            return "starting"
        is_whole = self._supply.is_whole() and self._pools.are_whole()
        return "serving" if is_whole else "degraded"

    @property
    def is_waiting_for_code(self) -> bool:
        """Whether the first start has failed, and new code is what may help."""
        return self._supply.is_held and not self._ending.has_begun

    @property
    def leader(self) -> int | None:
        """The id of the worker that leads, if one does."""
        return self._leadership.leader

    @property
    def generation(self) -> Generation:
        """Whose code is served. One that is being rolled out is that when all slots run it."""
        return self.roster.oldest

    @property
    def has_templates(self) -> bool:
        """Whether workers are forked by templates, and not by the primary."""
        return self._plan.templates

    @property
    def is_scripted(self) -> bool:
        """Whether a script says who is forked."""
        return self._plan.scripted

    @property
    def reload(self) -> ReloadStatus | None:
        """The latest reload, running or over."""
        return self._reload.status

    @property
    def next_generation(self) -> int:
        """What a reload that is requested now will load, at once or after the one that runs."""
        return self.roster.next_generation

    def reserve(self) -> Seat:
        """Name the worker that a script is about to ask for by `ForkRequested`."""
        return self._script.reserve()

    def start(self, now: float) -> list[Order]:
        return list(self._supply.fill(now))

    def handle(self, fact: Fact, now: float) -> list[Order]:
        return [*self._obey(fact, now), *self._settle(now)]

    def tick(self, now: float) -> list[Order]:
        """Act on every deadline that has passed."""
        late = self.roster.late(now)
        limit = self._plan.start_timeout
        expired = (order for p in late for order in removal.expire(p, self.roster, limit))
        ended = self._ending.stop(0.0, now, self._script.code) if self._script.is_done() else ()
        return [*expired, *ended, *self._settle(now)]

    def next_deadline(self) -> float | None:
        """When `tick` has something to do; None: not before the next fact."""
        times = [p.deadline for p in self.roster.processes.values() if p.deadline is not None]
        if not self._ending.has_begun:
            times += self._supply.due() + self._hub.due() + self._reload.due
        times += self._pools.due(is_ending=self._ending.has_begun)
        return min(times, default=None)

    # -- requests ------------------------------------------------------------

    def _obey(self, fact: Fact, now: float) -> Iterator[Order]:
        match fact:
            case StopRequested() | QuitRequested() | ReloadRequested() | ScaleRequested():
                yield from self._grant(fact, now)
            case Blocked() | Recovered() | TimedOut():
                if worker := self.roster.get(fact.id):
                    yield from blocking.heed(worker, fact, now)
            case HubWanted():
                self._hub.want()
            case PoolWanted():
                self._pools.want(fact)
            case ForkRequested() | DisconnectRequested():
                yield from self._script.heed(fact, now, is_ending=self._ending.has_begun)
            case Worn() | Overgrown() | Idle():
                yield from self._weigh(fact, now)
            case _:
                yield from self._note(fact, now)

    def _weigh(self, fact: Finding | Idle, now: float) -> Iterator[Order]:
        process = self.roster.get(fact.id)
        if process is not None and process.role is Role.POOL:
            yield from self._pools.heed(process, fact, now)
        elif not isinstance(fact, Idle):
            yield from self._recycling.heed(fact)

    def _grant(
        self,
        request: StopRequested | QuitRequested | ReloadRequested | ScaleRequested,
        now: float,
    ) -> Iterator[Order]:
        match request:
            case StopRequested():
                grace = HURRY if self._ending.has_begun else self._plan.graceful_timeout
                yield from self._stop(grace, now)
            case QuitRequested():
                yield from self._stop(0.0, now)
            case ReloadRequested():
                yield from self._request_reload()
            case ScaleRequested(by):
                is_ending = self._ending.has_begun
                yield from self._scaling.change(by, now, is_ending=is_ending)
            case _:
                assert_never(request)

    def _stop(self, grace: float, now: float) -> Iterator[Order]:
        if self._plan.scripted:
            yield from self._script.give_up()
        yield from self._ending.stop(grace, now, self._script.code)

    def _request_reload(self) -> Iterator[Order]:
        """A script's workers may never listen, and the next is to wait until one does."""
        if self._plan.scripted and not self.roster.serving():
            yield Note("warning", "reload_refused", (("reason", "no worker listens"),))
        else:
            self._reload.request()

    def _note(self, fact: ProcessFact, now: float) -> Iterator[Order]:
        process = self.roster.get(fact.id)
        if process is not None and isinstance(fact, Exited):
            self._script.note_exit(process, fact.status)
            yield from self._losses.heed(process, fact, now)
        elif process is not None and not isinstance(fact, Exited):
            yield from self._hearing.hear(process, fact, now)

    # -- what follows from any fact ------------------------------------------

    def _settle(self, now: float) -> Iterator[Order]:
        """Bring the fleet nearer to what it is to be."""
        if self._ending.has_begun:
            yield from self._pools.fill(now, is_ending=True)
            return
        yield from self._admission.proceed(now)
        yield from self._reload.proceed(now)
        yield from self._recycling.proceed(now)
        yield from self._supply.fill(now)
        yield from self._pools.proceed(now)
        yield from self._hub.fill(now)
        yield from self._leadership.proceed()
        for template in self.roster.retired():
            if template.phase is Phase.READY:
                yield removal.dismiss(template, now)
            elif template.phase in LOADING:
                yield removal.drain(template, HURRY, now)
        if not self.roster.was_announced and self._is_up():
            self.roster.was_announced = True
            yield AnnounceReady()
        yield from self._script.proceed()

    def _is_up(self) -> bool:
        """A script's workers come when it likes, and some never listen."""
        if self._plan.scripted:
            return self.roster.has_served
        # Of what is empty so far, it is the template that shows that the code can be had.
        is_able = not self._plan.is_bare or self._supply.can_spawn(self.roster.newest)
        return is_able and self.roster.all_serve() and self._pools.are_whole()
