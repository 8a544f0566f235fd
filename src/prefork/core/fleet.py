"""The whole set of processes: facts in, orders out.

Nothing here reads a clock, sends a signal or waits: the caller passes *now* (monotonic seconds),
performs the returned orders, and sleeps until `next_deadline()`.
"""

from collections.abc import Iterator
from typing import assert_never

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
    ProcessFact,
    QuitRequested,
    Ready,
    Stage,
    StopRequested,
)
from prefork.core.plan import Plan
from prefork.core.process import Phase, Process, Role, Step
from prefork.core.restart import EarlyDeaths
from prefork.core.roster import Generation, Roster
from prefork.core.supply import Supply
from prefork.errors import ExitCode

LOADING = frozenset({Phase.SPAWNING, Phase.STARTING})
FIRST_START_TRIES = 3  # then a fleet that never served gives up
KILL_GRACE = 0.25  # seconds after a worker's own deadline before it is killed
HURRY = 1.0  # seconds that a second stop request leaves


class Fleet:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.roster = Roster(plan.workers)
        self.generation = Generation(1, plan.preload)
        self._supply = Supply(plan, self.roster, self.generation)
        self._stopping: ExitCode | None = None  # set once: what we will exit with
        self._announced = False
        self._finished = False

    def __repr__(self) -> str:
        slots = (f"{p.slot}:{p.phase.name}" for p in self.roster.of(Role.WORKER))
        return f"<Fleet gen={self.generation.number} [{' '.join(sorted(slots))}]>"

    @property
    def state(self) -> str:
        """starting | serving | degraded | stopping."""
        if self._stopping is not None:
            return "stopping"
        if not self._announced:
            return "starting"
        return "serving" if self._supply.is_whole() else "degraded"

    def start(self, now: float) -> list[Order]:
        return list(self._supply.fill(now))

    def handle(self, fact: Fact, now: float) -> list[Order]:
        match fact:
            case StopRequested():
                grace = self._plan.graceful_timeout if self._stopping is None else HURRY
                return list(self._stop(grace, now))
            case QuitRequested():
                return list(self._stop(0.0, now))
            case _:
                process = self.roster.get(fact.id)
                return [] if process is None else list(self._hear(process, fact, now))

    def tick(self, now: float) -> list[Order]:
        """Act on every deadline that has passed."""
        orders = [order for late in self.roster.late(now) for order in self._expire(late)]
        return orders if self._stopping is not None else [*orders, *self._supply.fill(now)]

    def next_deadline(self) -> float | None:
        """When `tick` has something to do; None: not before the next fact."""
        times = [p.deadline for p in self.roster.processes.values() if p.deadline is not None]
        if self._stopping is None:
            times += self._supply.due()
        return min(times, default=None)

    # -- facts ---------------------------------------------------------------

    def _hear(self, process: Process, fact: ProcessFact, now: float) -> Iterator[Order]:
        match fact:
            case Exited(_, status):
                yield from self._on_exit(process, status, now)
            case Failed():
                yield self._on_failed(process, fact)
            case Declined():
                yield from self._on_declined(process, now)
            case Forked(_, pid):
                yield from self._on_forked(process, pid, now)
            case Ready():
                yield from self._on_ready(process, now)
            case Leaving():
                yield from self._on_leaving(process, now)
            case Misbehaved():
                yield from self._kill(process)
            case _:
                assert_never(fact)

    def _on_failed(self, process: Process, failed: Failed) -> Order:
        """Its exit follows, and decides; until something serves the traceback waits for that."""
        process.failed_at = failed.stage
        self.generation.failure = failed
        fields = (("pid", process.pid), ("reason", failed.reason))
        if self.generation.has_served:
            return Note("error", "application_failed", (*fields, ("detail", failed.detail)))
        return Note("warning", "application_failed", fields)

    def _on_forked(self, process: Process, pid: int, now: float) -> Iterator[Order]:
        if not process.allows(Step.FORKED) or process.pid is not None:
            yield from self._kill(process)
            return
        process.pid = pid
        process.advance(Step.FORKED, deadline=process.deadline)
        if process.phase is Phase.KILLED:
            yield Kill(process.id)
        elif process.phase is Phase.DRAINING and process.deadline is not None:
            yield AskToStop(process.id, max(0.0, process.deadline - KILL_GRACE - now))

    def _on_ready(self, process: Process, now: float) -> Iterator[Order]:
        if not process.allows(Step.READY):
            yield from self._kill(process)
            return
        begins_to_serve = process.phase is Phase.STARTING
        process.advance(Step.READY, deadline=None if begins_to_serve else process.deadline)
        if begins_to_serve:
            process.ready_at = now
            if process.role is Role.WORKER:
                yield from self._on_serving(process, now)
            yield from self._supply.fill(now)  # not while stopping: whoever starts is drained then

    def _on_serving(self, worker: Process, now: float) -> Iterator[Order]:
        yield Admit(worker.id)
        self.generation.has_served = True
        self.generation.worker_deaths.forget()
        for elder in list(self.roster.elders(worker)):
            yield self._drain(elder, self._plan.graceful_timeout, now)
        if not self._announced and self.roster.all_serve():
            self._announced = True
            yield AnnounceReady()

    def _on_leaving(self, process: Process, now: float) -> Iterator[Order]:
        if process.role is not Role.WORKER or not process.allows(Step.LEAVE):
            yield from self._kill(process)
            return
        process.advance(Step.LEAVE, deadline=process.deadline)
        if process.phase is Phase.LEAVING and process.slot is not None:
            slot = self.roster.slots[process.slot]
            slot.current = None
            slot.restarts += 1
            yield from self._supply.fill(now)

    def _on_declined(self, process: Process, now: float) -> Iterator[Order]:
        if process.role is not Role.TEMPLATE or not process.allows(Step.DECLINE):
            yield from self._kill(process)
            return
        is_current = process.phase is Phase.STARTING
        process.advance(Step.DECLINE, deadline=process.deadline)
        if is_current:
            process.deadline = now + HURRY
            self.generation.preload = False
            self.generation.template = None
            yield from self._supply.fill(now)

    # -- exits ---------------------------------------------------------------

    def _on_exit(self, process: Process, status: int, now: float) -> Iterator[Order]:
        has_served = process.ready_at is not None
        was_cut = process.phase is Phase.KILLED or (has_served and status != ExitCode.OK)
        slot = None if process.slot is None else self.roster.slots[process.slot]
        is_missed = self.generation.template is process if slot is None else slot.current is process
        self.roster.remove(process)
        yield from (Kill(child.id) for child in self.roster.stillborn(process))
        if self._stopping is not None:
            if was_cut and process.role is Role.WORKER and self._stopping is ExitCode.OK:
                self._stopping = ExitCode.CUT
            yield from self._finish_when_empty(now)
        elif is_missed and slot is None:
            wait = self._supply.lose_template(process, now)
            yield from self._give_up_or_wait(process, self.generation.template_deaths, wait, now)
        elif is_missed and slot is not None:
            wait = self._supply.lose_worker(process, slot, now)
            yield from self._give_up_or_wait(process, self.generation.worker_deaths, wait, now)

    def _give_up_or_wait(
        self, lost: Process, deaths: EarlyDeaths, wait: float, now: float
    ) -> Iterator[Order]:
        """Give up only where nothing ever served: a fleet that serves is never ended by a death."""
        is_first_start = not self.generation.has_served
        if is_first_start and lost.failed_at is Stage.IMPORT:
            yield from self._stop(0.0, now, ExitCode.APP_IMPORT)
        elif is_first_start and deaths.rounds >= FIRST_START_TRIES:
            yield Note("error", "giving_up", (("tries", deaths.rounds),))
            yield from self._stop(0.0, now, ExitCode.APP_START)
        else:
            if wait > 0:
                fields = (("process", lost.role.value), ("slot", lost.slot), ("seconds", wait))
                yield Note("warning", "backing_off", fields)
            yield from self._supply.fill(now)

    # -- ending --------------------------------------------------------------

    def _stop(self, grace: float, now: float, code: ExitCode = ExitCode.OK) -> Iterator[Order]:
        if self._stopping is None:
            self._stopping = code
            yield CloseListeners()
        for process in list(self.roster.processes.values()):
            is_due = process.role is Role.WORKER or process.phase in LOADING
            if is_due and process.allows(Step.STOP):
                yield self._drain(process, grace, now)
        yield from self._finish_when_empty(now)

    def _drain(self, process: Process, grace: float, now: float) -> Order:
        deadline = now + grace + KILL_GRACE
        if process.phase is Phase.DRAINING and process.deadline is not None:
            deadline = min(deadline, process.deadline)
        process.advance(Step.STOP, deadline=deadline)
        return AskToStop(process.id, max(0.0, deadline - KILL_GRACE - now))

    def _finish_when_empty(self, now: float) -> Iterator[Order]:
        """Templates go last: they bury the workers if the primary dies meanwhile."""
        if self.roster.of(Role.WORKER) or self._finished:
            return
        for template in self.roster.of(Role.TEMPLATE):
            if template.phase is Phase.SERVING:
                template.advance(Step.STOP, deadline=now + HURRY)
                yield AskToStop(template.id, 0.0)
        if not self.roster.processes and self._stopping is not None:
            self._finished = True
            yield Finish(self._stopping)

    def _expire(self, process: Process) -> Iterator[Order]:
        if process.ready_at is None and process.phase is not Phase.DRAINING:
            yield Note("error", "start_timeout", (("id", process.id), ("pid", process.pid)))
        yield from self._kill(process)

    def _kill(self, process: Process) -> Iterator[Order]:
        if not process.allows(Step.KILL):
            return  # it is dying already
        process.advance(Step.KILL)
        yield Kill(process.id)
        if process.pid is None and (template := self.roster.get(process.parent or 0)):
            yield from self._kill(template)  # it has been silent since it was asked to fork
