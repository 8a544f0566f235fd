"""What processes say of themselves, and how far that takes them along the table."""

from collections.abc import Iterator

from prefork.core import removal
from prefork.core.facts import (
    Declined,
    Failed,
    Forked,
    Leaving,
    LeftRotation,
    Misbehaved,
    Proven,
    Ready,
)
from prefork.core.orders import Kill, Note, OpenHub, OpenPool, Order
from prefork.core.plan import Plan
from prefork.core.pool import Pools
from prefork.core.process import LOADING, Phase, Process, Role, Step
from prefork.core.removal import HURRY
from prefork.core.roster import Roster
from prefork.core.script import Script

Word = Forked | Ready | Proven | Declined | Failed | Leaving | LeftRotation | Misbehaved


class Hearing:
    """Who says what it can't say now, or never, is killed for it."""

    def __init__(self, plan: Plan, roster: Roster, pools: Pools, script: Script) -> None:
        self._plan = plan
        self._roster = roster
        self._supply = pools.supply
        self._pools = pools
        self._script = script

    def hear(self, process: Process, word: Word, now: float) -> Iterator[Order]:
        match word:
            case Failed():
                yield self._on_failed(process, word)
            case Declined(_, reasons):
                yield from self._on_declined(process, reasons, now)
            case Forked(_, pid):
                yield from self._on_forked(process, pid, now)
            case Ready():
                yield from self._on_ready(process, now)
            case Proven() | Leaving() | LeftRotation() if process.role is Role.WORKER:
                yield from self._hear_worker(process, word, now)
            case _:
                yield from self._punish(process)

    def _hear_worker(
        self, worker: Process, word: Proven | Leaving | LeftRotation, now: float
    ) -> Iterator[Order]:
        match word:
            case Leaving() if self._plan.scripted:
                yield from self._script.send_away([worker], now)
            case Leaving() if worker.allows(Step.LEAVE):
                yield from self._on_leaving(worker, now)
            case Proven() if worker.phase not in LOADING:
                worker.is_proven = True
            case LeftRotation() if worker.phase in (Phase.DRAINING, Phase.ABORTED, Phase.KILLED):
                worker.is_in_rotation = False
            case _:
                yield from self._punish(worker)

    def _on_failed(self, process: Process, failed: Failed) -> Order:
        """Its exit follows, and decides; until something serves the traceback waits for that."""
        process.failure = failed
        if generation := self._roster.generation_of(process):
            generation.failure = failed
        fields = (("pid", process.pid), ("reason", failed.reason))
        if self._roster.has_served or self._plan.waits_for_code:
            return Note("error", "application_failed", (*fields, ("detail", failed.detail)))
        return Note("warning", "application_failed", fields)

    def _on_forked(self, process: Process, pid: int, now: float) -> Iterator[Order]:
        if not process.allows(Step.FORKED) or process.pid is not None:
            yield from self._punish(process)
            return
        process.pid = pid
        process.advance(Step.FORKED, deadline=process.deadline)
        if process.phase is Phase.KILLED:
            yield Kill(process.id, process.crime)
        elif process.phase is Phase.DRAINING:
            yield removal.remind(process, now)

    def _on_ready(self, process: Process, now: float) -> Iterator[Order]:
        if not process.allows(Step.READY):
            yield from self._punish(process)
            return
        process.advance(Step.READY, deadline=process.deadline)
        if process.phase is not Phase.READY:
            return  # it crossed our stop on the wire
        process.ready_at = now
        if process.role is not Role.WORKER:
            process.deadline = None
            yield from self._open(process, now)
            return
        generation = self._roster.generation_of(process)
        is_on_trial = generation is not None and generation.is_on_trial
        process.is_proven = not is_on_trial
        process.deadline = now + self._plan.min_uptime + self._plan.start_timeout

    def _open(self, process: Process, now: float) -> Iterator[Order]:
        """Have those who want it meet it."""
        if process.role is Role.HUB:
            yield OpenHub(process.id)
        elif process.role is Role.POOL:
            self._pools.note_ready(process, now)
            yield OpenPool(process.id)

    def _on_leaving(self, worker: Process, now: float) -> Iterator[Order]:
        was = worker.phase
        was_on_trial = was is Phase.READY
        worker.advance(Step.LEAVE, deadline=None if was_on_trial else worker.deadline)
        if was_on_trial:
            worker.crime = "asked to leave during its trial"
            yield removal.drain(worker, HURRY, now)
        elif was is Phase.SERVING and (slot := self._roster.slot_of(worker)):
            self._supply.lose_worker(worker, slot, now)

    def _on_declined(
        self, process: Process, reasons: tuple[str, ...], now: float
    ) -> Iterator[Order]:
        is_news = process.phase is Phase.STARTING
        generation = self._roster.generation_of(process) if is_news else None
        is_empty = generation is not None and not generation.preload
        if process.role is not Role.TEMPLATE or not process.allows(Step.DECLINE) or is_empty:
            yield from self._punish(process)
            return
        process.advance(Step.DECLINE, deadline=now + HURRY if is_news else process.deadline)
        if generation is not None:
            generation.preload = False
            generation.declined = reasons
            generation.template = None

    def _punish(self, process: Process) -> Iterator[Order]:
        yield from removal.kill(process, self._roster, "said what no process of ours says")
