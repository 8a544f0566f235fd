"""The composition root: makes the parts of a primary from the settings, and runs it."""

import os
import selectors
import time
from contextlib import ExitStack
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
from prefork.errors import AppError, ExitCode, SettingsError
from prefork.policy.schemes import SCHEMES, Accepts
from prefork.primary import priority
from prefork.primary.acceptor import Acceptor
from prefork.primary.aides import Aides
from prefork.primary.greeting import Greeting, Style
from prefork.primary.host import PosixHost
from prefork.primary.inquest import Inquest
from prefork.primary.listeners import Listeners
from prefork.primary.loop import Primary
from prefork.primary.signals import Signals
from prefork.settings import environment
from prefork.settings.address import parse
from prefork.settings.checks import MOST_WORKERS
from prefork.settings.cpus import available_parallelism
from prefork.settings.schema import Settings
from prefork.wire import descriptors, lineage
from prefork.wire.board import Board
from prefork.wire.estate import Entries, Estate
from prefork.wire.named import NamedSocket
from prefork.wire.outlet import Desk

ENTRIES = Entries(
    template="prefork.worker.template:main",
    worker="prefork.worker.entry:main",
    watcher="prefork.aides.watcher:main",
    capture="prefork.aides.capture:main",
    errand="prefork.aides.errand:main",
)
LINES = 4 * MOST_WORKERS  # of the board; those never used cost no memory


def serve(settings: Settings) -> int:
    """Run a fleet until it is told to stop. Returns the exit code.

    Raises AddressError where an address or the name is taken, before anything is forked, and
    AppError or SettingsError where nothing ever served.
    """
    _configure_log(settings)
    descriptors.fill_standard()  # first: or the pipe of the signals were standard output
    signals = Signals()  # early: a stop must find its handler
    descriptors.raise_limit()
    descriptors.require(_resolve(settings.workers))
    priority.let_workers_run()
    with ExitStack() as opened:
        listeners = _listeners(settings)
        opened.callback(listeners.close)
        control = _claim(settings, listeners)
        opened.callback(control.remove)
        estate = _estate(settings, listeners, _name(settings, control))
        aides = Aides(estate)
        opened.callback(aides.finish, signals)
        _say_started(estate)
        aides.start(time.monotonic())
        if not aides.run_first("on_starting", signals):
            return ExitCode.OK
        selector = selectors.DefaultSelector()
        scheme = SCHEMES[settings.policy]
        most = settings.max_connections if scheme.accepts is Accepts.PRIMARY else 0
        acceptor = Acceptor(listeners, scheme.policy(), estate.board, selector, most)
        return _run(PosixHost(estate, aides, signals, selector, acceptor), control)


def _run(host: PosixHost, control: NamedSocket) -> int:
    fleet = Fleet(_plan(host.estate, templates=lineage.adopt_orphans()))
    inquest = Inquest(host.children, host.watchdog)
    verbs = Verbs(fleet, partial(_report, _identify(host.estate), fleet, host), inquest.hold)
    server = ControlServer(control, host.selector, verbs)
    host.clocks.append(server)
    primary = Primary(
        fleet, host, announce=partial(_announce, fleet, host), tell_reload=server.tell
    )
    code = primary.run()
    server.finish(code)
    log.info("stopped", exit_code=int(code))
    _explain(code, fleet)
    return code


def _configure_log(settings: Settings, descriptor: int | None = None) -> None:
    paints = environment.wants_colours()
    log.configure(settings.log_level, settings.log_format, paints=paints, descriptor=descriptor)


def _listeners(settings: Settings) -> Listeners:
    addresses = [parse(each) for each in settings.bind]
    mode = None if settings.socket_mode is None else int(settings.socket_mode, 8)
    return Listeners(addresses, settings.backlog, SCHEMES[settings.policy].accepts, mode)


def _plan(estate: Estate, *, templates: bool) -> Plan:
    settings = estate.settings
    return Plan(
        estate.workers,
        templates=templates,
        preload=settings.preload != "off",
        start_timeout=settings.start_timeout,
        graceful_timeout=settings.graceful_timeout,
        min_uptime=settings.min_uptime,
        reload_parallel=settings.reload_parallel,
        most_workers=MOST_WORKERS,
        waits_for_code=settings.reload,
    )


def _estate(settings: Settings, listeners: Listeners, name: str) -> Estate:
    """What all children will share. From here on prefork's log has a descriptor of its own, where
    what children print is tagged."""
    workers = _resolve(settings.workers)
    environment.limit_blas_threads(max(1, available_parallelism() // workers))
    desk = Desk.open() if settings.capture_output else None
    _configure_log(settings, desk.stderr if desk else None)
    setproctitle(f"prefork: primary {name} [{settings.app}]")
    return Estate(
        settings,
        workers,
        listeners.families,
        Board(LINES),
        os.getpid(),
        ENTRIES,
        name,
        tuple(map(str, listeners.bound)),
        desk,
    )


def _say_started(estate: Estate) -> None:
    log.info(
        "started",
        name=estate.name,
        app=estate.settings.app,
        bind=list(estate.bind),
        workers=estate.workers,
        policy=estate.settings.policy,
    )


def _explain(code: int, fleet: Fleet) -> None:
    """Raise SettingsError, or AppError with what the application said, where nothing ever served
    because of these."""
    failure = fleet.generation.failure
    if code == ExitCode.USAGE and failure is not None:
        raise SettingsError(failure.reason)
    if code not in (ExitCode.APP_IMPORT, ExitCode.APP_START):
        return
    if failure is None:
        reason = "it died, or did not become ready within --start-timeout, three times"
    else:
        reason = failure.reason
    detail = failure.detail if failure else ""
    exit_code = ExitCode.APP_IMPORT if code == ExitCode.APP_IMPORT else ExitCode.APP_START
    raise AppError(f"the application did not start: {reason}", detail, exit_code)


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


def _name(settings: Settings, control: NamedSocket) -> str:
    return settings.name or Path(control.getsockname()).stem


def _identify(estate: Estate) -> Identity:
    return Identity(
        name=estate.name,
        pid=estate.primary,
        version=__version__,
        app=estate.settings.app,
        policy=estate.settings.policy,
        bind=estate.bind,
        started_at=time.monotonic(),
        epoch=log.utc_now().timestamp() - time.monotonic(),
    )


def _report(identity: Identity, fleet: Fleet, host: PosixHost, now: float) -> dict[str, object]:
    tally = host.tally
    dog = host.watchdog
    counts = Counts(
        host.lines(),
        tally.retired,
        tally.exits,
        host.aides.lives(),
        dog.verdicts(),
        dog.blocks,
        tally.timeouts,
    )
    return report(identity, fleet, counts, now)


def _announce(fleet: Fleet, host: PosixHost) -> None:
    """Every worker serves, for the first time: tell the log, --ready-fd, and the hook."""
    estate = host.estate
    log.info("ready", name=estate.name, bind=list(estate.bind))
    greeting = Greeting(estate, host.interface, _preload(fleet))
    log.show(greeting.lines(Style.COLOUR if log.is_painted() else Style.PLAIN))
    if estate.settings.ready_fd is not None:
        said = {"name": estate.name, "pid": estate.primary, "bind": estate.bind}
        try:
            os.write(estate.settings.ready_fd, msgspec.json.encode(said) + b"\n")
        except OSError as error:  # whoever asked has gone
            log.warning("ready_unheard", reason=error.strerror)
        os.close(estate.settings.ready_fd)
    host.aides.run("when_ready", host.now())


def _preload(fleet: Fleet) -> str:
    """Whether workers are forked from one import, and if not, why."""
    generation = fleet.generation
    if not fleet.has_templates:
        return "no: this system has no subreaper; each worker imports the application"
    if generation.preload:
        return "yes: imported once, workers are forked from it"
    reason = ", ".join(generation.declined) or "--preload off"
    return f"no: {reason}; each worker imports the application"
