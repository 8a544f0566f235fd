"""Runs one hook of the instance, in a process of its own: the primary imports none of it."""

import signal

from setproctitle import setproctitle

from prefork import log
from prefork.errors import AppError, ExitCode
from prefork.wire import lineage, outlet
from prefork.wire.estate import AideBirth
from prefork.worker import app_logging
from prefork.worker.hooks import Hook, InstanceInfo


def main(birth: AideBirth) -> int:
    """Call the hook. Returns the exit code: 0 if it returned; 4 if it failed, which is logged."""
    estate, moment = birth.estate, birth.moment
    settings = estate.settings
    lineage.die_with(estate.primary)
    signal.setitimer(signal.ITIMER_REAL, settings.start_timeout)  # SIGALRM ends it
    setproctitle(f"prefork: {moment} [{settings.app}]")
    outlet.divert(estate.output, moment)
    instance = InstanceInfo(estate.name, estate.primary, estate.bind, estate.workers)
    try:
        app_logging.configure(settings)
        Hook.load(moment, getattr(settings, moment), settings.app_dir).run(instance)
    except AppError as error:
        log.error("hook_failed", hook=moment, reason=str(error), detail=error.detail)
        return ExitCode.APP_START
    return ExitCode.OK
