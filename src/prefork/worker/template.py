"""The template: holds the application's code, and forks processes that share its memory."""

import gc
import importlib
import os
import select
import signal
import ssl
import time
from contextlib import ExitStack, suppress
from functools import partial
from typing import TypeAlias

from setproctitle import setproctitle

from prefork import log
from prefork.errors import AppError, RemoteError, SettingsError
from prefork.wire import boundary, lineage, outlet, signalling, stream
from prefork.wire.channel import Channel
from prefork.wire.complaint import Complaint
from prefork.wire.descriptors import close_others
from prefork.wire.estate import PoolBirth, TemplateBirth, WorkerBirth
from prefork.wire.inquiry import Respondent
from prefork.wire.messages import Declined, Forked, Ready, SpawnPool, SpawnWorker, Stop
from prefork.worker import credentials, member, pooled, remains
from prefork.worker.code import Code
from prefork.worker.member import Member
from prefork.worker.report import report

# Of workers, with HTTP and all that serves it: a script's pool, which has none, does without.
ENTRY = "prefork.worker.entry"
_PID_BYTES = 8

Order: TypeAlias = SpawnWorker | SpawnPool


def main(birth: TemplateBirth) -> int:
    """Load, then fork on request until told to stop. Returns the exit code."""
    settings = birth.estate.settings
    lineage.die_with(birth.estate.primary)
    setproctitle(f"prefork: template g{birth.generation} [{settings.app}]")
    channel = Channel(birth.channel)
    outlet.divert(birth.estate.output, f"t{birth.generation}")
    member.current = Member()  # for the application's import: it is no worker's yet
    if birth.estate.main is None:
        importlib.import_module(ENTRY)  # here, so that workers needn't
    code, before = None, remains.open_descriptors()
    try:
        tls = credentials.context(settings)
        if birth.loaded:
            gc.disable()  # a collection during the import would only move what is frozen below
            code = Code.of(birth.estate)
    except (AppError, SettingsError) as error:
        report(channel, "import", error)
        return error.exit_code
    left = remains.left_behind(before) if code else []
    if left and settings.preload == "auto":
        channel.send(Declined(left))
        return 0
    gc.collect()
    gc.freeze()  # what is never collected is never written to: 12 MB per worker instead of 43
    signalling.disregard(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    lineage.outlive()
    channel.send(Ready(os.getpid(), code.kind if code else ""))
    return Template(birth, channel, code, tls).run()


class Template:
    """Serves spawn requests; where the primary dies before it said Stop, buries who were forked."""

    def __init__(
        self,
        birth: TemplateBirth,
        channel: Channel,
        code: Code | None,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._birth = birth
        self._channel = channel
        self._code = code
        self._tls = tls
        self._forked: dict[int, int] = {}  # pid by pidfd
        self._trouble = Complaint("fork_failed", log.error)
        self._poll = select.poll()
        self._poll.register(channel, select.POLLIN)

    def run(self) -> int:
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._forked:
                    self._forget(descriptor)
                elif self._is_told_to_stop():
                    return 0
                elif self._channel.is_ended:
                    self._bury_all()
                    return 1

    def _is_told_to_stop(self) -> bool:
        for message in self._channel.receive():
            match message:
                case Stop():
                    return True
                case SpawnWorker() | SpawnPool():
                    self._fork(message)
                case _:
                    raise RemoteError(f"the primary sent {message}")
        return False

    def _fork(self, order: Order) -> None:
        """Fork a process that is the primary's child: through a parent of its own that exits."""
        boundary.flush()  # what the import printed is printed once
        with ExitStack() as opened:
            try:
                given = self._channel.claim(_descriptors(order))
                for descriptor in given:
                    opened.callback(os.close, descriptor)
                self._watch(self._fork_twice(order, given, opened))
            except OSError as error:  # the primary sees its channel end, and asks again later
                self._trouble.tell(time.monotonic(), slot=order.slot, reason=error.strerror)

    def _fork_twice(self, order: Order, given: list[int], opened: ExitStack) -> int:
        """Return its pid, or 0. Raises OSError where the system refuses."""
        reading, writing = os.pipe()
        opened.callback(os.close, reading)
        try:
            with signalling.masked():
                middle = os.fork()
                if middle == 0:
                    boundary.run_and_exit(partial(self._be_middle, order, given, writing))
        finally:
            os.close(writing)
        pid = int.from_bytes(os.read(reading, _PID_BYTES))
        _, status = os.waitpid(middle, 0)
        refusal = os.waitstatus_to_exitcode(status)
        if not pid and refusal > 0:
            raise OSError(refusal, os.strerror(refusal))
        return pid

    def _be_middle(self, order: Order, given: list[int], pipe: int) -> int:
        """The process's pid is told before we exit, so before the primary can reap it."""
        middle = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            return error.errno or 1  # the template tells of it
        if pid == 0:
            boundary.run_and_exit(partial(self._be_child, order, given, middle))
        os.write(pipe, pid.to_bytes(_PID_BYTES))
        self._channel.send(Forked(order.id, pid))
        while not self._channel.flush():
            select.select([], [self._channel], [])
        return 0

    def _be_child(self, order: Order, given: list[int], middle: int) -> int:
        signalling.forget()
        os.setpgid(0, 0)
        files = self._code.files if self._code else ()
        close_others([*given, *self._birth.estate.kept, *files])
        lineage.wait_for_adoption(middle)
        if isinstance(order, SpawnPool):
            return pooled.main(self._pool_birth(order, given), self._code)
        entry = importlib.import_module(ENTRY)
        return int(entry.main(self._worker_birth(order, given), self._code, self._tls))

    def _pool_birth(self, order: SpawnPool, given: list[int]) -> PoolBirth:
        channel, tickets, timings = given
        return PoolBirth(
            self._birth.estate,
            order.id,
            order.slot,
            self._birth.generation,
            order.line,
            stream.adopt_pair_end(channel),
            tickets,
            timings,
        )

    def _worker_birth(self, order: SpawnWorker, given: list[int]) -> WorkerBirth:
        estate = self._birth.estate
        handover, channel, asked, answering, *listeners = given
        families = [estate.families[address] for address in order.listeners]
        return WorkerBirth(
            estate,
            order.id,
            order.slot,
            self._birth.generation,
            order.line,
            stream.adopt_pair_end(channel),
            stream.adopt_pair_end(handover),
            tuple(map(stream.adopt, listeners, families)),
            Respondent(asked, answering),
        )

    # -- undertaking ---------------------------------------------------------

    def _watch(self, pid: int) -> None:
        """Keep a handle of the process: its pid is another's soon after the primary reaped it."""
        if not pid:
            return
        try:
            handle = os.pidfd_open(pid)
        except (AttributeError, OSError):  # not Linux, or dead already
            return
        self._forked[handle] = pid
        self._poll.register(handle, select.POLLIN)

    def _forget(self, handle: int) -> None:
        self._poll.unregister(handle)
        os.close(handle)
        del self._forked[handle]

    def _bury_all(self) -> None:
        """The primary is dead: so are they, by the kernel; end what they had started."""
        log.error("primary_died", pid=self._birth.estate.primary)
        for pid in self._forked.values():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)


def _descriptors(order: Order) -> int:
    """How many come with it."""
    return 3 if isinstance(order, SpawnPool) else 4 + len(order.listeners)
