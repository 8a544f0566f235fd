"""What a primary says of itself: when it starts, serves, is asked, and has ended."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from prefork import __version__, log
from prefork.control.report import Counts, Identity, report
from prefork.core.fleet import Fleet
from prefork.errors import AppError, ExitCode, SettingsError
from prefork.primary.greeting import Greeting, Style
from prefork.primary.host import PosixHost
from prefork.settings.cpus import available_parallelism
from prefork.wire.estate import Estate

CROWDED = 2  # processes that work for each CPU, above which more of them do no more work


def say_started(estate: Estate) -> None:
    log.info(
        "started",
        name=estate.name,
        app=estate.settings.app,
        bind=list(estate.bind),
        workers=estate.workers,
        policy=estate.settings.policy,
        **({"pool": estate.pool} if estate.pool else {}),
    )
    cpus = available_parallelism()
    if estate.workers + estate.pool > CROWDED * cpus:
        log.warning(
            "oversubscribed",
            workers=estate.workers,
            pool=estate.pool,
            cpus=cpus,
            effect="they wait for one another",
        )


def announce(fleet: Fleet, host: PosixHost, bind: Sequence[str]) -> None:
    """Every worker serves, for the first time: tell the log, --ready-fd, and the hook.

    *bind*: what is listened on by now.
    """
    estate = replace(host.estate, bind=tuple(bind))
    log.info("ready", name=estate.name, bind=list(estate.bind))
    if estate.main is None:  # else a script has begun, and its pool serves nobody
        greeting = Greeting(estate, host.interface, _preload(fleet), fleet.is_scripted)
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
    if fleet.is_scripted:
        return "no: each worker runs the script"
    if not fleet.has_templates:
        return "no: this system has no subreaper; each worker imports the application"
    if generation.preload:
        return "yes: imported once, workers are forked from it"
    reason = ", ".join(generation.declined) or "--preload off"
    return f"no: {reason}; each worker imports the application"


def identify(estate: Estate, bind: Sequence[str]) -> Identity:
    """What never changes of it. *bind*: what is listened on; it is read again each time."""
    return Identity(
        name=estate.name,
        pid=estate.primary,
        version=__version__,
        app=estate.settings.app,
        policy=estate.settings.policy,
        bind=bind,
        started_at=time.monotonic(),
        epoch=log.utc_now().timestamp() - time.monotonic(),
        pool=estate.pool,
    )


def state(identity: Identity, fleet: Fleet, host: PosixHost, now: float) -> dict[str, object]:
    """What `stats` and `status` ask for."""
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
        host.timings(),
    )
    return report(identity, fleet, counts, now)


def explain(code: int, fleet: Fleet, what: str = "the application") -> None:
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
    raise AppError(f"{what} did not start: {reason}", detail, exit_code)
