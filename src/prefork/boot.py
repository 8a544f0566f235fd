"""The composition root: makes the parts of a primary from the settings, and runs it."""

import os
import selectors
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
from setproctitle import setproctitle

from prefork import __version__, log
from prefork.control import directory
from prefork.control.report import Counts, Identity, report
from prefork.control.server import ControlServer
from prefork.control.verbs import Verbs
from prefork.core.fleet import Fleet
from prefork.core.plan import Plan
from prefork.errors import AppError, ExitCode
from prefork.policy.schemes import SCHEMES
from prefork.primary import priority
from prefork.primary.acceptor import Acceptor
from prefork.primary.host import PosixHost
from prefork.primary.listeners import Listeners
from prefork.primary.loop import Primary
from prefork.primary.nursery import Entries
from prefork.primary.signals import Signals
from prefork.settings import environment
from prefork.settings.address import parse
from prefork.settings.checks import MOST_WORKERS
from prefork.settings.cpus import available_parallelism
from prefork.settings.schema import Settings
from prefork.wire import descriptors, lineage
from prefork.wire.board import Board
from prefork.wire.estate import Estate
from prefork.wire.named import NamedSocket

ENTRIES = Entries("prefork.worker.template:main", "prefork.worker.entry:main")
LINES = 4 * MOST_WORKERS  # of the board; those never used cost no memory


def serve(settings: Settings) -> int:
    """Run a fleet until it is told to stop. Returns the exit code.

    Raises AddressError where an address or the name is taken, before anything is forked.
    """
    log.configure(settings.log_level, settings.log_format)
    descriptors.fill_standard()
    signals = Signals()  # first: a stop that comes early must find its handler
    adopts = lineage.adopt_orphans()
    descriptors.raise_limit()
    priority.let_workers_run()
    accepts = SCHEMES[settings.policy].accepts
    listeners = Listeners([parse(each) for each in settings.bind], settings.backlog, accepts)
    try:
        control = _claim(settings, listeners)
    except BaseException:
        listeners.close()
        raise
    workers = _resolve(settings.workers)
    environment.limit_blas_threads(max(1, available_parallelism() // workers))
    estate = Estate(settings, workers, listeners.families, Board(LINES), os.getpid())
    fleet = Fleet(
        Plan(
            workers,
            templates=adopts,
            preload=settings.preload != "off",
            start_timeout=settings.start_timeout,
            graceful_timeout=settings.graceful_timeout,
            min_uptime=settings.min_uptime,
            reload_parallel=settings.reload_parallel,
            most_workers=MOST_WORKERS,
        )
    )
    return _run(fleet, estate, signals, control=control, listeners=listeners)


def _run(
    fleet: Fleet,
    estate: Estate,
    signals: Signals,
    *,
    control: NamedSocket,
    listeners: Listeners,
) -> int:
    settings = estate.settings
    selector = selectors.DefaultSelector()
    policy = SCHEMES[settings.policy].policy()
    acceptor = Acceptor(listeners, policy, estate.board, selector)
    host = PosixHost(ENTRIES, estate, signals, selector, acceptor)
    identity = _identify(settings, listeners, control)
    verbs = Verbs(fleet, partial(_report, identity, fleet, host))
    server = ControlServer(control, selector, verbs)
    setproctitle(f"prefork: primary {identity.name} [{settings.app}]")
    log.info(
        "started",
        name=identity.name,
        app=settings.app,
        bind=list(identity.bind),
        workers=estate.workers,
        policy=settings.policy,
    )
    announce = _announcer(identity, settings.ready_fd)
    code = Primary(fleet, host, announce=announce, tell_reload=server.tell).run()
    server.finish(code)
    log.info("stopped", exit_code=int(code))
    _explain(code, fleet)
    return code


def _explain(code: int, fleet: Fleet) -> None:
    """Raise AppError, with what the application said, where it is why nothing ever served."""
    if code not in (ExitCode.APP_IMPORT, ExitCode.APP_START):
        return
    failure = fleet.generation.failure
    if failure is None:
        reason = "it died, or did not become ready within --start-timeout, three times"
    else:
        reason = failure.reason
    error = AppError(f"the application did not start: {reason}", failure.detail if failure else "")
    error.exit_code = ExitCode.APP_IMPORT if code == ExitCode.APP_IMPORT else ExitCode.APP_START
    raise error


def _resolve(workers: int | str) -> int:
    return workers if isinstance(workers, int) else min(available_parallelism(), MOST_WORKERS)


def _claim(settings: Settings, listeners: Listeners) -> NamedSocket:
    return directory.claim(_control_path(settings, listeners))


def _control_path(settings: Settings, listeners: Listeners) -> Path:
    if settings.control is not None:
        return Path(settings.control)
    name = settings.name or directory.default_name(settings.app, listeners.bound)
    path = directory.socket_path(name)
    directory.prepare(path.parent)
    return path


def _identify(settings: Settings, listeners: Listeners, control: NamedSocket) -> Identity:
    return Identity(
        name=settings.name or Path(control.getsockname()).stem,
        pid=os.getpid(),
        version=__version__,
        app=settings.app,
        policy=settings.policy,
        bind=tuple(map(str, listeners.bound)),
        started_at=time.monotonic(),
        epoch=log.utc_now().timestamp() - time.monotonic(),
    )


def _report(identity: Identity, fleet: Fleet, host: PosixHost, now: float) -> dict[str, object]:
    lines = host.lines()
    return report(identity, fleet, Counts(lines, host.tally.retired, host.tally.exits), now)


def _announcer(identity: Identity, ready_fd: int | None) -> Callable[[], None]:
    def announce() -> None:
        """Log it, and write one line to --ready-fd, as s6 and its kin expect."""
        log.info("ready", name=identity.name, bind=list(identity.bind))
        if ready_fd is not None:
            said = {"name": identity.name, "pid": identity.pid, "bind": identity.bind}
            try:
                os.write(ready_fd, msgspec.json.encode(said) + b"\n")
            except OSError as error:  # whoever asked has gone
                log.warning("ready_unheard", reason=error.strerror)
            os.close(ready_fd)

    return announce
