"""The processes beside the fleet: who they are, and what follows when one ends."""

import select
import signal
import time
from contextlib import suppress
from dataclasses import dataclass

from prefork import log
from prefork.errors import AppError, ExitCode
from prefork.primary import reaper
from prefork.primary.nursery import fork
from prefork.primary.signals import Signals
from prefork.wire import outlet
from prefork.wire.estate import AideBirth, Estate

SHORT_LIFE = 5.0  # seconds
MOST_SHORT_LIVES = 3  # in a row; the next one would be no longer
LAST_WORDS = 2.0  # seconds for what was printed last to be written
CAPTURE, WATCHER = "capture", "watcher"
STOPPING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})


@dataclass(frozen=True, slots=True)
class Aide:
    """*stays*: another takes its place; without that it runs one hook, and ends."""

    name: str
    entry: str
    stays: bool
    since: float
    short_lives: int = 0  # of those before it


class Aides:
    """Starts them, and those that are to stay again when they end."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._running: dict[int, Aide] = {}  # by pid
        self._is_finishing = False

    def start(self) -> None:
        """Start those that stay while the fleet runs, as the settings ask for them."""
        if self._estate.output is not None:
            self._start(CAPTURE, self._estate.entries.capture, stays=True)
        if self._estate.settings.reload:
            self._start(WATCHER, self._estate.entries.watcher, stays=True)

    def lives(self) -> list[tuple[str, int, float]]:
        """Name, pid and start, in monotonic seconds, of each."""
        return [(aide.name, pid, aide.since) for pid, aide in self._running.items()]

    def run(self, moment: str) -> int | None:
        """Have a hook run, where the settings name one. Returns its pid."""
        if getattr(self._estate.settings, moment) is None:
            return None
        return self._start(moment, self._estate.entries.errand, stays=False)

    def run_first(self, moment: str, signals: Signals) -> bool:
        """Wait for a hook, before there is a fleet; False: a signal said to stop meanwhile.

        Raises AppError where it failed: nothing is to be started then.
        """
        pid = self.run(moment)
        while pid is not None and pid in self._running:
            select.select([signals], [], [])
            if STOPPING & signals.take():
                return False
            if self._reap().get(pid, ExitCode.OK) != ExitCode.OK:
                error = AppError(f"the hook {moment} failed, so nothing is started")
                error.exit_code = ExitCode.APP_START
                raise error
        return True

    def note_exit(self, pid: int, status: int) -> bool:
        """Whether the dead process was one; then what follows is done."""
        aide = self._running.pop(pid, None)
        if aide is None:
            return False
        if self._is_finishing:
            return True
        if not aide.stays:
            self._note_hook(aide, status)
        else:
            self._replace(aide, status)
        return True

    def _replace(self, aide: Aide, status: int) -> None:
        """Start another, unless too many have died soon."""
        is_short = time.monotonic() - aide.since < SHORT_LIFE
        short_lives = aide.short_lives + 1 if is_short else 0
        if short_lives >= MOST_SHORT_LIVES:
            log.error("aide_failed", aide=aide.name, status=status, effect="not started again")
            return
        log.warning("aide_exited", aide=aide.name, status=status)
        self._start(aide.name, aide.entry, stays=True, short_lives=short_lives)

    def finish(self, signals: Signals) -> None:
        """The fleet is gone: end them all, but let what was printed last be written."""
        self._is_finishing = True
        for pid, aide in self._running.items():
            if aide.name != CAPTURE:
                reaper.kill(pid, signal.SIGKILL)
        if self._estate.output is not None:
            with suppress(OSError):  # its queue is full: nobody takes from it any more
                outlet.finish(self._estate.output.sending)
        deadline = time.monotonic() + LAST_WORDS
        self._reap()
        while self._running and (left := deadline - time.monotonic()) > 0:
            select.select([signals], [], [], left)
            signals.take()
            self._reap()

    def _reap(self) -> dict[int, int]:
        """Bury the dead while no fleet does; return their statuses by pid."""
        statuses = {}
        while (pid := reaper.find_dead()) is not None:
            statuses[pid] = reaper.reap(pid, and_group=False)
            self.note_exit(pid, statuses[pid])
        return statuses

    def _note_hook(self, aide: Aide, status: int) -> None:
        """Say how a hook ended; one that raised has said that itself."""
        seconds = time.monotonic() - aide.since
        if status == ExitCode.OK:
            log.debug("hook_done", hook=aide.name, seconds=seconds)
        elif status == -signal.SIGALRM:
            reason = f"not done within {self._estate.settings.start_timeout:g} s (start_timeout)"
            log.error("hook_failed", hook=aide.name, reason=reason)
        elif status != ExitCode.APP_START:
            log.error("hook_failed", hook=aide.name, reason=f"its process ended with {status}")

    def _start(self, name: str, entry: str, *, stays: bool, short_lives: int = 0) -> int | None:
        """Fork one; where the system refuses it is said, and the fleet does without."""
        birth = AideBirth(self._estate, "" if stays else name)
        try:
            pid = fork(entry, birth)
        except OSError as error:
            log.error("aide_failed", aide=name, reason=error.strerror)
            return None
        self._running[pid] = Aide(name, entry, stays, time.monotonic(), short_lives)
        return pid
