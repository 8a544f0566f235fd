"""The parts of a primary, each made from the settings."""

import os
from pathlib import Path

from setproctitle import setproctitle

from prefork import log
from prefork.control import directory
from prefork.core.plan import Plan
from prefork.policy.schemes import SCHEMES, Accepts
from prefork.primary.callers import Callers
from prefork.primary.listeners import Listeners
from prefork.primary.rules import Rules
from prefork.settings import engine, environment, pooling
from prefork.settings.address import parse
from prefork.settings.checks import MOST_WORKERS
from prefork.settings.cpus import available_parallelism
from prefork.settings.peers import Peers
from prefork.settings.pooling import MOST_POOL
from prefork.settings.schema import Settings
from prefork.wire import descriptors
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
LINES = 4 * (MOST_WORKERS + MOST_POOL)  # of the board; those never used cost no memory


def configure_log(settings: Settings, descriptor: int | None = None) -> None:
    paints = environment.wants_colours()
    log.configure(settings.log_level, settings.log_format, paints=paints, descriptor=descriptor)


def workers(settings: Settings) -> int:
    """How many are wanted, with "max" resolved."""
    wanted = settings.workers
    return wanted if isinstance(wanted, int) else min(available_parallelism(), MOST_WORKERS)


def pool(settings: Settings) -> int:
    """How many processes run tasks at most, with "max" resolved; an engine may need none."""
    if settings.pool_engine != engine.PROCESSES:
        return 0
    return pooling.size(settings.pool)


def require_descriptors(settings: Settings) -> None:
    """Raise SettingsError where there are too few for so many processes."""
    processes = workers(settings) + pool(settings)
    descriptors.require(processes, captures_output=settings.capture_output)


def listeners(settings: Settings, *, is_scripted: bool) -> Listeners:
    """Listen on every address; for a script's workers, on what they will ask for.

    Raises AddressError, and SettingsError.
    """
    addresses = [] if is_scripted else [parse(each) for each in settings.bind]
    mode = None if settings.socket_mode is None else int(settings.socket_mode, 8)
    accepts = SCHEMES[settings.policy].accepts
    return Listeners(
        addresses, settings.backlog, accepts, mode, is_spoken_first=_is_introduced(settings)
    )


def rules(settings: Settings) -> Rules:
    """Say by which rules connections are given out."""
    scheme = SCHEMES[settings.policy]
    most = settings.max_connections if scheme.accepts is Accepts.PRIMARY else 0
    if not _is_introduced(settings):
        return Rules(scheme.policy, most)
    return Rules(scheme.policy, most, Callers(_proxies(settings)).identify)


def _is_introduced(settings: Settings) -> bool:
    """Whether a proxy is to tell the primary whose its connections are."""
    return SCHEMES[settings.policy].is_by_client and bool(_proxies(settings))


def _proxies(settings: Settings) -> Peers:
    return Peers(settings.proxy_protocol_allow_ips)


def control(settings: Settings, bound: Listeners) -> NamedSocket:
    """Claim the instance's name by its control socket. Raises AddressError, and SettingsError."""
    return directory.claim(_control_path(settings, bound))


def _control_path(settings: Settings, listeners: Listeners) -> Path:
    if settings.control is not None:
        return Path(settings.control)
    name = settings.name or directory.default_name(settings.app, listeners.bound)
    path = directory.socket_path(name)
    directory.prepare(path.parent)
    return path


def name(settings: Settings, control: NamedSocket) -> str:
    """Give the instance's name."""
    return settings.name or Path(control.getsockname()).stem


def plan(estate: Estate, *, templates: bool, scripted: bool) -> Plan:
    """Say in numbers what the fleet is to be. *templates*: whether they can be had here."""
    settings = estate.settings
    pool = 0 if scripted else estate.pool
    return Plan(
        0 if scripted else estate.workers,
        templates=templates and not scripted,
        preload=settings.preload != "off",
        start_timeout=settings.start_timeout,
        graceful_timeout=settings.graceful_timeout,
        min_uptime=settings.min_uptime,
        reload_parallel=settings.reload_parallel,
        pool=pool,
        pool_min=pool if settings.pool_min is None else min(settings.pool_min, pool),
        most_workers=MOST_WORKERS,
        waits_for_code=settings.reload and not scripted,
        scripted=scripted,
    )


def estate(settings: Settings, listeners: Listeners, control: NamedSocket) -> Estate:
    """What all children will share. From here on prefork's log has a descriptor of its own, where
    what children print is tagged."""
    wanted, pooled, called = workers(settings), pool(settings), name(settings, control)
    environment.limit_blas_threads(max(1, available_parallelism() // max(1, wanted + pooled)))
    desk = Desk.open() if settings.capture_output else None
    configure_log(settings, desk.stderr if desk else None)
    setproctitle(f"prefork: primary {called} [{settings.app}]")
    return Estate(
        settings,
        wanted,
        listeners.families,
        Board(LINES),
        os.getpid(),
        ENTRIES,
        called,
        tuple(map(str, listeners.bound)),
        pooled,
        desk,
        control=os.path.abspath(control.path),
    )
