"""The processes beside the fleet: who they are, and what follows when one ends."""

import selectors
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum, auto

from prefork import log
from prefork.core.facts import QuitRequested, StopRequested
from prefork.errors import AppError, ExitCode
from prefork.primary import reaper
from prefork.primary.nursery import fork
from prefork.primary.pipes import Pipes
from prefork.primary.signals import REQUESTS, Signals
from prefork.wire.complaint import Complaint
from prefork.wire.estate import AideBirth, Estate
from prefork.wire.outlet import NOBODY, Origin

SHORT_LIFE = 5.0  # seconds
TRY_AGAIN = 1.0  # seconds
MOST_REFUSALS = 5  # of a capture, in whose pipes there is room for 64 KiB meanwhile
MOST_SHORT_LIVES = 3  # in a row; the next one would be no longer
LAST_WORDS = 2.0  # seconds for what was printed last to be written
CAPTURE, WATCHER = "capture", "watcher"
STOPPING = {n for n, (fact, _) in REQUESTS.items() if fact in (StopRequested(), QuitRequested())}


class Sequel(Enum):
    """What follows when an aide has ended."""

    NOTHING = auto()
    REPORT = auto()  # a hook that could not say itself why it failed
    REPLACE = auto()
    GIVE_UP = auto()


@dataclass(frozen=True, slots=True)
class Aide:
    """*stays*: another takes its place; without that it runs one hook, and ends."""

    name: str
    stays: bool
    since: float  # monotonic seconds
    short_lives: int = 0  # in a row, before it
    refused: int = 0  # times in a row that the system had no process for it

    def short_lives_until(self, now: float) -> int:
        return self.short_lives + 1 if now - self.since < SHORT_LIFE else 0

    def sequel(self, status: int, now: float) -> Sequel:
        if self.stays:
            is_hopeless = self.short_lives_until(now) >= MOST_SHORT_LIVES
            return Sequel.GIVE_UP if is_hopeless else Sequel.REPLACE
        has_spoken = status in (ExitCode.OK, ExitCode.APP_START)
        return Sequel.NOTHING if has_spoken else Sequel.REPORT


class Aides:
    """Starts them, and those that are to stay again when they end."""

    def __init__(self, estate: Estate, fork: Callable[[str, AideBirth], int] = fork) -> None:
        self._estate = estate
        self._fork = fork
        self._running: dict[int, Aide] = {}  # by pid
        self._refused: list[Aide] = []  # that are to be tried again
        self._try_at: float | None = None
        self._trouble = Complaint("aide_not_started")
        self._is_finishing = False
        # None: nobody tags what is printed.
        self._pipes = None if estate.output is None else Pipes(estate.output)

    def attend(self, selector: selectors.BaseSelector) -> None:
        """Be told by *selector* when there is something to do for what is printed."""
        if self._pipes is not None:
            selector.register(self._pipes, selectors.EVENT_READ, self._pipes.look)

    def lives(self) -> list[tuple[str, int, float]]:
        """Name, pid and start, in monotonic seconds, of each."""
        return [(aide.name, pid, aide.since) for pid, aide in self._running.items()]

    def start(self, now: float) -> None:
        """Start those that stay while the fleet runs, as the settings ask for them."""
        if self._pipes is not None:
            self._replace(Aide(CAPTURE, stays=True, since=now))
        if self._estate.settings.reload:
            self._replace(Aide(WATCHER, stays=True, since=now))

    def next_check(self) -> float | None:
        """When `check` has something to do; None: when one has ended."""
        room_at = None if self._pipes is None else self._pipes.next_check()
        return min((t for t in (self._try_at, room_at) if t is not None), default=None)

    def check(self, now: float) -> tuple[()]:
        """Try again what found no process, or no room. No fact for the core comes of it."""
        if self._pipes is not None:
            self._pipes.check(now)
        if self._try_at is not None and now >= self._try_at:
            self._try_at = None
            again, self._refused = self._refused, []
            for aide in again:
                self._replace(replace(aide, since=now))
        return ()

    def run(self, moment: str, now: float) -> None:
        """Have a hook run, where the settings name one."""
        try:
            self._run(moment, now)
        except OSError as error:
            log.error("hook_failed", hook=moment, reason=f"no process for it: {error.strerror}")

    def run_first(self, moment: str, signals: Signals) -> bool:
        """Wait for a hook, before there is a fleet; False: a signal said to stop meanwhile.

        Raises AppError where it failed: nothing is to be started then.
        """
        try:
            pid = self._run(moment, time.monotonic())
        except OSError as error:
            raise _failed(moment, f": no process for it: {error.strerror}") from None
        while pid is not None and pid in self._running:
            self._wait(signals)
            if STOPPING & signals.take():
                return False
            if self._reap().get(pid, ExitCode.OK) != ExitCode.OK:
                raise _failed(moment)
        return True

    def takes_group_along(self, pid: int) -> bool:
        """Whether what the dead aide started dies with it; a hook that succeeded may leave some."""
        return pid in self._running and not reaper.has_succeeded(pid)

    def note_exit(self, pid: int, status: int, now: float) -> bool:
        """Whether the dead process was one; then what follows is done."""
        aide = self._running.pop(pid, None)
        if aide is None:
            return False
        match Sequel.NOTHING if self._is_finishing else aide.sequel(status, now):
            case Sequel.REPORT:
                self._report(aide, status)
            case Sequel.REPLACE:
                log.warning("aide_exited", aide=aide.name, status=status)
                self._replace(Aide(aide.name, True, now, aide.short_lives_until(now)))
            case Sequel.GIVE_UP:
                self._give_up(aide.name, f"it ended with {status}, as did those before it")
            case Sequel.NOTHING:
                log.debug("aide_done", aide=aide.name, status=status, seconds=now - aide.since)
        return True

    def finish(self, signals: Signals) -> None:
        """The fleet is gone: end them all, but let what was printed last be written."""
        self._is_finishing = True
        for pid, aide in self._running.items():
            if aide.name != CAPTURE:
                reaper.kill(pid, signal.SIGKILL)
        if self._estate.output is not None:
            with suppress(OSError):  # nobody takes from it any more
                self._estate.output.tagging.put(NOBODY)
        deadline = time.monotonic() + LAST_WORDS
        self._reap()
        while self._running and (left := deadline - time.monotonic()) > 0:
            signals.wait(left)
            signals.take()
            self._reap()
        if self._pipes is not None:
            if not self._running:  # else the capture still writes, and has its own copies
                self._pipes.finish(time.monotonic() + LAST_WORDS)
            self._pipes.close()

    def _wait(self, signals: Signals) -> None:
        """Wait for a signal, as the primary's loop does: nobody else looks after aides yet."""
        due = self.next_check()
        left = None if due is None else max(0.0, due - time.monotonic())
        signals.wait(left, *([] if self._pipes is None else [self._pipes]))
        now = time.monotonic()
        if self._pipes is not None:
            self._pipes.look(now)
        self.check(now)

    def _run(self, moment: str, now: float) -> int | None:
        """Return the pid of the hook's process; None: there is no such hook. Raises OSError."""
        if getattr(self._estate.settings, moment) is None:
            return None
        pid = self._fork(self._estate.entries.errand, AideBirth(self._estate, moment))
        self._running[pid] = Aide(moment, stays=False, since=now)
        return pid

    def _replace(self, aide: Aide) -> None:
        """Fork one; where the system refuses that, try again, and let the fleet do without."""
        entries = self._estate.entries
        entry = entries.capture if aide.name == CAPTURE else entries.watcher
        try:
            pid = self._fork(entry, AideBirth(self._estate, pipes=self._pipes_for(aide)))
        except OSError as error:
            reason = f"no process for it: {error.strerror}"
            if aide.name == CAPTURE and aide.refused >= MOST_REFUSALS:
                self._give_up(aide.name, reason)
                return
            self._trouble.tell(aide.since, aide=aide.name, reason=reason)
            self._refused.append(replace(aide, refused=aide.refused + 1))
            self._try_at = aide.since + TRY_AGAIN
        else:
            self._running[pid] = replace(aide, refused=0)

    def _pipes_for(self, aide: Aide) -> dict[int, Origin] | None:
        """What it is to go on reading, where that is its task."""
        if self._pipes is None or aide.name != CAPTURE:
            return None
        return self._pipes.gather()

    def _give_up(self, name: str, reason: str) -> None:
        log.error("aide_failed", aide=name, reason=reason, effect="it is not started again")
        if name == CAPTURE and self._pipes is not None:
            # Or whoever prints would wait for a reader for ever; so it comes out where it used to.
            self._pipes.spill()

    def _reap(self) -> dict[int, int]:
        """Bury the dead while no fleet does; return their statuses by pid."""
        statuses = {}
        while (pid := reaper.find_dead()) is not None:
            statuses[pid] = reaper.reap(pid, and_group=self.takes_group_along(pid))
            self.note_exit(pid, statuses[pid], time.monotonic())
        return statuses

    def _report(self, hook: Aide, status: int) -> None:
        """Say why a hook failed that could not say so itself."""
        reason = f"its process ended with {status}"
        if status == -signal.SIGALRM:
            limit = self._estate.settings.start_timeout
            reason = f"not done within {limit:g} s (start_timeout)"
        log.error("hook_failed", hook=hook.name, reason=reason)


def _failed(moment: str, why: str = "") -> AppError:
    reason = f"the hook {moment} failed, so nothing is started{why}"
    return AppError(reason, exit_code=ExitCode.APP_START)
