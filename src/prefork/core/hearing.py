"""What processes say of themselves, and how far that takes them along the table."""

from collections.abc import Iterator
from typing import assert_never

from prefork.core import removal
from prefork.core.messages import (
    Declined,
    Failed,
    Forked,
    Kill,
    Leaving,
    LeftRotation,
    Misbehaved,
    Note,
    Order,
    Ready,
)
from prefork.core.plan import Plan
from prefork.core.process import Phase, Process, Role, Step
from prefork.core.removal import HURRY
from prefork.core.roster import Roster

Word = Forked | Ready | Declined | Failed | Leaving | LeftRotation | Misbehaved


class Hearing:
    """Who says what it can't say now, or never, is killed for it."""

    def __init__(self, plan: Plan, roster: Roster) -> None:
        self._plan = plan
        self._roster = roster

    def hear(self, process: Process, word: Word, now: float) -> Iterator[Order]:
        match word:
            case Failed():
                yield self._on_failed(process, word)
            case Declined():
                yield from self._on_declined(process, now)
            case Forked(_, pid):
                yield from self._on_forked(process, pid, now)
            case Ready():
                yield from self._on_ready(process, now)
            case Leaving():
                yield from self._on_leaving(process, now)
            case LeftRotation():
                yield from self._on_left(process)
            case Misbehaved():
                yield from self._punish(process)
            case _:
                assert_never(word)

    def _on_failed(self, process: Process, failed: Failed) -> Order:
        """Its exit follows, and decides; until something serves the traceback waits for that."""
        process.failure = failed
        if generation := self._roster.generation_of(process):
            generation.failure = failed
        fields = (("pid", process.pid), ("reason", failed.reason))
        if self._roster.oldest.has_served:
            return Note("error", "application_failed", (*fields, ("detail", failed.detail)))
        return Note("warning", "application_failed", fields)

    def _on_forked(self, process: Process, pid: int, now: float) -> Iterator[Order]:
        if not process.allows(Step.FORKED) or process.pid is not None:
            yield from self._punish(process)
            return
        process.pid = pid
        process.advance(Step.FORKED, deadline=process.deadline)
        if process.phase is Phase.KILLED:
            yield Kill(process.id)
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
        if process.role is Role.TEMPLATE:
            process.deadline = None
            return
        generation = self._roster.generation_of(process)
        is_on_trial = generation is not None and generation.is_on_trial
        process.deadline = now + self._plan.min_uptime if is_on_trial else now

    def _on_leaving(self, process: Process, now: float) -> Iterator[Order]:
        if process.role is not Role.WORKER or not process.allows(Step.LEAVE):
            yield from self._punish(process)
            return
        was_on_trial = process.phase is Phase.READY
        process.advance(Step.LEAVE, deadline=None if was_on_trial else process.deadline)
        if was_on_trial:
            yield removal.drain(process, HURRY, now)
        if slot := self._roster.slot_of(process):
            slot.restarts += 1
            slot.coming = None if slot.coming is process else slot.coming

    def _on_left(self, process: Process) -> Iterator[Order]:
        if process.phase in (Phase.DRAINING, Phase.KILLED):
            process.is_in_rotation = False
        else:
            yield from self._punish(process)

    def _on_declined(self, process: Process, now: float) -> Iterator[Order]:
        is_news = process.phase is Phase.STARTING
        generation = self._roster.generation_of(process) if is_news else None
        is_empty = generation is not None and not generation.preload
        if process.role is not Role.TEMPLATE or not process.allows(Step.DECLINE) or is_empty:
            yield from self._punish(process)
            return
        process.advance(Step.DECLINE, deadline=now + HURRY if is_news else process.deadline)
        if generation is not None:
            generation.preload = False
            generation.template = None

    def _punish(self, process: Process) -> Iterator[Order]:
        yield from removal.kill(process, self._roster, "said what no process of ours says")
