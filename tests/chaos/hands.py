"""Does to a running program what the schedule says."""

import heapq
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count

from tests.chaos.evidence import Deed, wedged
from tests.chaos.schedule import FOREVER, MORE, WORKERS, Fault, Kind
from tests.support import processes
from tests.support.deploys import Deploys
from tests.support.deploys import Fault as Wrong
from tests.support.pacing import hold
from tests.support.program import NAME, PREFORK, ROOT, Program, Stats, interpreter

SPARE = 64  # descriptors that a worker keeps for itself, see worker/heartbeat.py
HANG_UPS = 20  # at most
WEDGE = "GET /wedge?seconds={} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
MOST = resource.RLIMIT_NOFILE
GONE = (ProcessLookupError, FileNotFoundError, PermissionError)  # the last one: a zombie


class Hands:
    """Remembers what it has done, and ends what lasts when that is due."""

    def __init__(self, program: Program, deploys: Deploys) -> None:
        self.deeds: list[Deed] = []
        self._program = program
        self._deploys = deploys
        self._versions = count(2)
        self._wanted = WORKERS
        self._stats = program.stats()
        self._ends: list[tuple[float, int, Callable[[], None]]] = []  # a heap
        self._order = count()
        self._is_deaf = False  # the primary is stopped
        self._commands: list[subprocess.Popen[bytes]] = []
        self._sockets: list[socket.socket] = []

    def look(self) -> Stats | None:
        """Ask for statistics; None while nobody could answer."""
        if self._is_deaf:
            return None
        self._stats = self._program.stats()
        return self._stats

    def do(self, fault: Fault) -> None:
        self.look()
        DO[fault.kind](self, fault)

    def end_what_is_due(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            heapq.heappop(self._ends)[2]()

    def end_all(self) -> None:
        """End what lasts still; leave code that is good."""
        self.end_what_is_due(float("inf"))
        for command in self._commands:
            assert command.wait(20) == 0
        for sock in self._sockets:
            sock.close()

    def reload(self, wrong: Wrong = Wrong.NONE, at_import: str = "") -> str:
        """Write code anew and hang up; return its version."""
        version = str(next(self._versions))
        self._deploys.write(version, wrong, at_import=at_import)
        self._program.signal(signal.SIGHUP)
        return version

    # -- processes -----------------------------------------------------------

    def _kill(self, fault: Fault) -> None:
        """Any worker: one that starts or drains may die as well."""
        self._strike(fault.kind, self._drawn(fault, "starting", "ready", "serving", "draining"))

    def _kill_all(self, fault: Fault) -> None:
        for worker in self._stats["workers"]:
            self._strike(fault.kind, worker["pid"] or _nobody())

    def _strike(self, kind: Kind, pid: int, number: int = signal.SIGKILL) -> None:
        with suppress(ProcessLookupError):
            at = time.monotonic()
            os.kill(pid, number)
            self.deeds.append(Deed(at, kind, pid, until=at + FOREVER))

    def _stop(self, fault: Fault) -> None:
        self._suspend(fault, self._drawn(fault, "serving", "draining"))

    def _stop_for_good(self, fault: Fault) -> None:
        self._strike(fault.kind, self._drawn(fault, "serving", "draining"), signal.SIGSTOP)

    def _pause_primary(self, fault: Fault) -> None:
        self._is_deaf = True
        self._suspend(fault, self._program.pid)

    def _suspend(self, fault: Fault, pid: int) -> None:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return

        def resume() -> None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGCONT)
            os.close(handle)
            self._is_deaf = self._is_deaf and pid != self._program.pid

        self.deeds.append(Deed(time.monotonic(), fault.kind, pid, time.monotonic() + fault.lasts))
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGSTOP)
        self._later(fault.lasts, resume)

    def _wedge(self, fault: Fault) -> None:
        """Whoever gets this connection says that it is blocked, and since when."""
        sock = socket.create_connection(("127.0.0.1", self._program.port), 10)
        sock.sendall(WEDGE.format(fault.lasts or FOREVER).encode())
        self._sockets.append(sock)

    def _wedge_and_kill(self, fault: Fault) -> None:
        self._wedge(fault)
        self._later(fault.lasts / 2, self._kill_wedged)

    def _kill_wedged(self) -> None:
        blocked = wedged(self._program.journal.text.splitlines())
        for deed in blocked:
            if deed.at <= time.monotonic() < deed.until:
                self._strike(Kind.KILL, deed.pid)

    def _send_off(self, fault: Fault) -> None:
        self._strike(fault.kind, self._drawn(fault, "serving"), signal.SIGTERM)

    def _kill_template(self, fault: Fault) -> None:
        pids = [each["pid"] for each in self._stats["templates"] if each["pid"]]
        if pids:
            self._strike(fault.kind, pids[int(fault.draw * len(pids))])

    def _drawn(self, fault: Fault, *states: str) -> int:
        """Draw a worker in one of the states, or any."""
        workers = [each for each in self._stats["workers"] if each["pid"]]
        fitting = [each["pid"] for each in workers if each["state"] in states]
        pids = fitting or [each["pid"] for each in workers]
        return int(pids[int(fault.draw * len(pids))]) if pids else _nobody()

    # -- code ----------------------------------------------------------------

    def _reload(self, fault: Fault) -> None:
        self.deeds.append(Deed(time.monotonic(), fault.kind))
        self.reload()

    def _slow_import(self, fault: Fault) -> None:
        self.deeds.append(Deed(time.monotonic(), fault.kind))
        self.reload(at_import=f"pacing.hold({fault.lasts / 2})")
        self._later(fault.lasts, self._write)

    def _broken_import(self, fault: Fault) -> None:
        at = time.monotonic()
        self.deeds.append(Deed(at, fault.kind, 0, at + fault.lasts))
        self.reload(Wrong.RAISES)
        self._later(fault.lasts / 2, self._reload_again)

    def _write(self) -> None:
        self._deploys.write(str(next(self._versions)))

    def _reload_again(self) -> None:
        self.reload()

    def _hang_up(self, fault: Fault) -> None:
        self.deeds.append(Deed(time.monotonic(), fault.kind))
        for _ in range(2 + int(fault.draw * HANG_UPS)):
            self._program.signal(signal.SIGHUP)
            hold(fault.draw * 0.02)

    # -- numbers -------------------------------------------------------------

    def _scale_by_signal(self, fault: Fault) -> None:
        """Only when the one before was seen: two signals of a kind that meet are one.

        Nor to a stopped primary: the SIGCONT would discard them, as they are of job control.
        """
        by = 1 if fault.kind is Kind.MORE else -1
        wanted = self._wanted + by
        if self._has_scaled() and WORKERS <= wanted <= WORKERS + MORE:
            self._wanted = wanted
            self.deeds.append(Deed(time.monotonic(), fault.kind))
            self._program.signal(signal.SIGTTIN if by > 0 else signal.SIGTTOU)

    def _has_scaled(self) -> bool:
        is_done = all(command.poll() is not None for command in self._commands)
        return is_done and not self._is_deaf and self._stats["workers_wanted"] == self._wanted

    def _scale(self, fault: Fault) -> None:
        if not self._has_scaled():
            return
        self._wanted = WORKERS + int(fault.draw * (MORE + 1))
        self._command(fault, "scale", NAME, str(self._wanted))

    def _dump(self, fault: Fault) -> None:
        self._command(fault, "dump", NAME)

    def _command(self, fault: Fault, *words: str) -> None:
        """Run a command of prefork's, and don't wait for it."""
        self.deeds.append(Deed(time.monotonic(), fault.kind))
        command = [*interpreter(self._program.home), *PREFORK, *words]
        quiet = subprocess.DEVNULL
        self._commands.append(subprocess.Popen(command, cwd=ROOT, stdin=quiet, stdout=quiet))

    def restore_scale(self) -> None:
        """Have as many workers as at the start."""
        self._program.settled(lambda stats: stats["workers_wanted"] == self._wanted, 20)
        while self._wanted != WORKERS:
            self._wanted -= 1
            self._program.signal(signal.SIGTTOU)
            self._program.settled(lambda stats: stats["workers_wanted"] == self._wanted)

    # -- descriptors ---------------------------------------------------------

    def _starve(self, fault: Fault) -> None:
        """Room for hardly a connection more: new ones are to wait, or to go elsewhere."""
        self._limit(fault, self._drawn(fault, "serving"), SPARE + int(fault.draw * 3))

    def _starve_primary(self, fault: Fault) -> None:
        self._limit(fault, self._program.pid, int(fault.draw * 8))

    def _limit(self, fault: Fault, pid: int, room: int) -> None:
        with suppress(*GONE):
            soft, hard = resource.prlimit(pid, MOST)
            highest = max(processes.descriptors(pid), default=0)  # of a zombie: none
            resource.prlimit(pid, MOST, (min(soft, highest + 1 + room), hard))
            at = time.monotonic()
            self.deeds.append(Deed(at, fault.kind, pid, at + fault.lasts))
            self._later(fault.lasts, lambda: self._unlimit(hard))

    def _unlimit(self, most: int) -> None:
        """Children that were born meanwhile have inherited it."""
        for pid in (self._program.pid, *self._program.tree()):
            with suppress(*GONE):
                resource.prlimit(pid, MOST, (most, most))

    def _later(self, seconds: float, end: Callable[[], None]) -> None:
        heapq.heappush(self._ends, (time.monotonic() + seconds, next(self._order), end))


def _nobody() -> int:
    """A pid that no process has."""
    return 2**22 + 1


DO: dict[Kind, Callable[[Hands, Fault], None]] = {
    Kind.KILL: Hands._kill,
    Kind.KILL_ALL: Hands._kill_all,
    Kind.STOP: Hands._stop,
    Kind.STOP_FOR_GOOD: Hands._stop_for_good,
    Kind.WEDGE: Hands._wedge,
    Kind.WEDGE_FOR_GOOD: Hands._wedge,
    Kind.WEDGE_AND_KILL: Hands._wedge_and_kill,
    Kind.SEND_OFF: Hands._send_off,
    Kind.KILL_TEMPLATE: Hands._kill_template,
    Kind.PAUSE_PRIMARY: Hands._pause_primary,
    Kind.RELOAD: Hands._reload,
    Kind.SLOW_IMPORT: Hands._slow_import,
    Kind.BROKEN_IMPORT: Hands._broken_import,
    Kind.HANG_UP: Hands._hang_up,
    Kind.MORE: Hands._scale_by_signal,
    Kind.FEWER: Hands._scale_by_signal,
    Kind.SCALE: Hands._scale,
    Kind.DUMP: Hands._dump,
    Kind.STARVE: Hands._starve,
    Kind.STARVE_PRIMARY: Hands._starve_primary,
}
