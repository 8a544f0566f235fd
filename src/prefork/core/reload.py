"""Rolling reloads, one at a time: which slots are to run the new code, and whether it is good."""

from collections.abc import Iterator
from dataclasses import replace

from prefork.core import removal
from prefork.core.facts import Exited
from prefork.core.generation import Generation
from prefork.core.orders import Note, Order, ReloadState, ReloadStatus, TellReload
from prefork.core.plan import Plan
from prefork.core.pool import Pools
from prefork.core.process import Process, Role, Step
from prefork.core.removal import HURRY
from prefork.core.roster import Roster
from prefork.core.slot import Slot


class Reload:
    """A new generation: one worker of it first, then slot after slot.

    It only says what each slot is to run. `Supply` starts the successors, the fleet admits them and
    lets the old workers go. The first death of new code puts every slot back to what it ran.
    """

    def __init__(self, plan: Plan, roster: Roster, pools: Pools) -> None:
        self._plan = plan
        self._roster = roster
        self._pools = pools
        self._supply = pools.supply
        self.is_requested = False  # and not begun
        self._coming: Generation | None = None  # on trial; None: no reload is running
        self.status: ReloadStatus | None = None  # of the latest
        self.due: list[float] = []  # when it goes on, whatever else happens

    @property
    def is_due(self) -> bool:
        """Whether one is running, or was asked for."""
        return self.is_requested or self._coming is not None

    def request(self) -> None:
        """Reload as soon as may be. Requests during a reload make one more, after it."""
        self.is_requested = True

    def proceed(self, now: float) -> Iterator[Order]:
        """See how far it is, choose the next slots, begin what was requested."""
        self.due = []
        if self._coming is not None and self.is_requested and self._gives_way():
            yield from self._put_back(self._coming, now)
            yield from self.cancel("newer code was asked for", now)
        if self._coming is not None:
            yield from self._advance(self._coming, now)
        else:
            self._roster.forget_generations()  # slots change what they run without a reload too
        is_time = self._roster.has_served or self._plan.waits_for_code
        if self.is_requested and self._coming is None and is_time:
            self.is_requested = False
            yield from self._begin(now)

    def _gives_way(self) -> bool:
        """Whoever edits the code does not wait for what was a mistake, and may never end."""
        return self._plan.waits_for_code and self.status is not None and self.status.moved == 0

    def is_refuted_by(self, process: Process) -> bool:
        """Whether a death speaks against the new code: any that nobody asked for does.

        But whom a script forks meanwhile runs it too, and may end whenever it likes.
        """
        is_ours = process.is_heir or not self._plan.scripted
        return is_ours and self._coming is not None and process.generation == self._coming.number

    def fail(self, culprit: Process, exited: Exited, now: float) -> Iterator[Order]:
        """Put the slots back. Where the old code can't be had again, those that moved stay.

        Where nothing ever served there is none: nothing is started before the code has changed.
        """
        coming = self._coming
        assert coming is not None, "only a running reload is refuted"
        assert self.status is not None
        detail = culprit.failure.detail if culprit.failure else ""
        self._supply.is_held = not self._roster.has_served
        orders = list(self._put_back(coming, now))
        moved = len(self._keeping(coming)) if self._roster.has_served else 0
        self.status = replace(self.status, moved=moved)
        yield from self._end(ReloadState.FAILED, now, _cause(culprit, exited, now), detail)
        if self._supply.is_held:
            yield Note("warning", "waiting_for_change")
        yield from orders

    def _put_back(self, coming: Generation, now: float) -> Iterator[Order]:
        """Have each slot run what it ran before, and whoever came to it for the new code go."""
        for slot in self._of(coming):
            slot.generation = self._fallback(slot, coming)
        if self._plan.is_bare:
            self._roster.withdraw(coming)  # there is no slot to say that it is not to be run
        yield from self._send_strays_away(now)

    def _send_strays_away(self, now: float) -> Iterator[Order]:
        for slot in self._roster.slots:
            stray = slot.coming
            if stray is not None and stray.generation != slot.generation.number:
                slot.coming = None
                if stray.allows(Step.STOP):
                    yield removal.drain(stray, HURRY, now)

    def cancel(self, reason: str, now: float) -> Iterator[Order]:
        """Leave it as it is: everything ends."""
        if self._coming is not None:
            yield from self._end(ReloadState.CANCELLED, now, reason)

    # -- stages --------------------------------------------------------------

    def _begin(self, now: float) -> Iterator[Order]:
        self._coming = self._roster.add_generation(preload=self._plan.preload)
        self._coming.is_on_trial = self._roster.has_served
        number, slots = self._coming.number, self._taking_part()
        self.status = ReloadStatus(number, ReloadState.RUNNING, len(slots), started=now)
        yield Note("info", "reload_started", (("generation", number),))
        yield TellReload(self.status)
        if not self._roster.has_served:
            yield from self._start_with(self._coming, now)
        yield from self._advance(self._coming, now)

    def _start_with(self, coming: Generation, now: float) -> Iterator[Order]:
        """All slots at once: nobody serves who could be disturbed, or fallen back to."""
        self._supply.is_held = False
        for slot in self._roster.slots:
            slot.generation, slot.retry_at = coming, now
        yield from self._send_strays_away(now)
        self._roster.forget_generations()

    def _advance(self, coming: Generation, now: float) -> Iterator[Order]:
        assert self.status is not None
        slots = self._taking_part()
        moved = sum(slot.serves and slot.runs(coming) for slot in slots)
        if (moved, len(slots)) != (self.status.moved, self.status.slots):
            self.status = replace(self.status, moved=moved, slots=len(slots))
            yield TellReload(self.status)
        if moved == len(slots):
            if self._is_complete(coming) and self._is_proven(coming, now):
                yield from self._end(ReloadState.SUCCEEDED, now)
        elif self._supply.can_spawn(coming) and self._pools.has_been_whole(coming):
            # The pool comes first: a worker of new code may have tasks from its first request on.
            for slot in self._next(coming):
                slot.generation = coming
                slot.retry_at = now  # what the old code had to wait for is over

    def _is_complete(self, coming: Generation) -> bool:
        """Whether the new pool is there too, and only new code answers."""
        if not self._pools.is_whole(coming):
            return False
        if self._plan.is_bare and not self._supply.can_spawn(coming):
            return False  # whose pool may be empty, and has shown nothing
        return not any(self._is_old(worker, coming) for worker in self._roster.of(Role.WORKER))

    def _is_proven(self, coming: Generation, now: float) -> bool:
        """Whether its pool has come through a trial too, and not only its workers."""
        at = self._pools.proven_at(coming)
        self.due = [] if at is None or at <= now else [at]
        return not self.due

    def _end(
        self, state: ReloadState, now: float, reason: str = "", detail: str = ""
    ) -> Iterator[Order]:
        assert self.status is not None
        assert self._coming is not None
        self.status = replace(self.status, state=state, finished=now, reason=reason, detail=detail)
        self._coming.is_on_trial = False
        self._coming = None
        self._roster.forget_generations()
        fields = (("generation", self.status.generation), ("seconds", now - self.status.started))
        match state:
            case ReloadState.FAILED:
                yield Note("error", "reload_failed", (*fields, ("reason", reason)))
            case ReloadState.CANCELLED:
                yield Note("warning", "reload_cancelled", (*fields, ("reason", reason)))
            case _:
                yield Note("info", "reload_succeeded", fields)
        yield TellReload(self.status)

    # -- slots ---------------------------------------------------------------

    def _taking_part(self) -> list[Slot]:
        """All; of a script's those whose worker serves: others may never, or are not replaced."""
        return [slot for slot in self._roster.slots if slot.serves or not self._plan.scripted]

    def _keeping(self, coming: Generation) -> list[Slot]:
        """Those that are to run it all the same; of a script's those whose worker does.

        It has no older code, and a worker that was on its way out may be the last of its own.
        """
        is_any = not self._plan.scripted
        slots = [slot for slot in self._taking_part() if slot.generation is coming]
        return [slot for slot in slots if is_any or slot.runs(coming)]

    def _of(self, generation: Generation) -> list[Slot]:
        return [slot for slot in self._roster.slots if slot.generation is generation]

    def _next(self, coming: Generation) -> list[Slot]:
        """One alone at first; empty slots before full ones; none that holds two already."""
        slots = self._taking_part()
        has_come_through = any(slot.serves and slot.runs(coming) for slot in slots)
        limit = self._plan.at_a_time(len(slots)) if has_come_through else 1
        moving = [slot for slot in slots if slot.generation is coming]
        room = limit - sum(not slot.runs(coming) for slot in moving)
        if room <= 0:
            return []
        still = [slot for slot in slots if slot.generation is not coming and self._is_quiet(slot)]
        still.sort(key=lambda slot: slot.current is not None)
        return still[:room]

    def _is_quiet(self, slot: Slot) -> bool:
        return slot.coming is None and self._roster.in_slot(slot.index) <= 1

    def _is_old(self, worker: Process, coming: Generation) -> bool:
        """Whether a new connection may still be answered by old code."""
        return worker.is_in_rotation and worker.generation != coming.number

    def _fallback(self, slot: Slot, coming: Generation) -> Generation:
        """What the slot is to run instead: what it still runs, else what was newest before.

        What holds no code would load what lies on disk under its old number: the new one says so.
        """
        of_current = self._roster.generation_of(slot.current) if slot.current else None
        if of_current is not None and of_current is not coming:
            return of_current
        older = self._roster.generations[:-1]
        return older[-1] if older and older[-1].holds_code else coming


_NAMES = {Role.WORKER: "worker", Role.POOL: "pool process"}  # of those that have a slot


def _cause(process: Process, exited: Exited, now: float) -> str:
    """Why the process died, in words."""
    if process.failure:
        return process.failure.reason
    who = "the template" if process.slot is None else f"{_NAMES[process.role]} {process.slot}"
    if process.crime:
        return f"{who} {process.crime}"
    if process.pid is None:
        return f"{who} could not be forked" + (f": {exited.reason}" if exited.reason else "")
    status = exited.status
    how = f"died of signal {-status}" if status < 0 else f"exited with code {status}"
    uptime = process.uptime(now)
    when = "before it was ready" if uptime is None else f"{uptime:.1f} s after it was ready"
    return f"{who} {how} {when}"
