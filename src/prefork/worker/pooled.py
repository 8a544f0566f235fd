"""The life of a pool process, from its fork to its exit code."""

import gc
import os
import signal

from setproctitle import setproctitle

from prefork.errors import AppError, ExitCode, SettingsError
from prefork.pool import process
from prefork.settings.size import bytes_of
from prefork.wire import lineage, outlet, signalling
from prefork.wire.channel import Channel
from prefork.wire.estate import PoolBirth
from prefork.wire.messages import Ready
from prefork.worker import allowance, chance
from prefork.worker.code import Code
from prefork.worker.report import report


def main(birth: PoolBirth, code: Code | None = None) -> int:
    """Run tasks until told to stop. Returns the exit code. *code*: as the template has it."""
    settings = birth.estate.settings
    lineage.die_with(birth.estate.primary)
    gc.enable()
    chance.reseed()
    setproctitle(f"prefork: pool {birth.slot} g{birth.generation} [{settings.app}]")
    channel = Channel(birth.channel)
    outlet.divert(birth.estate.output, f"p{birth.slot}")
    os.nice(settings.pool_nice)
    stage = "import"
    try:
        code = code or Code.of(birth.estate)
        stage = "startup"
        code.pool_initializer.run()
    except (AppError, SettingsError) as error:
        report(channel, stage, error)
        return ExitCode.APP_START if stage == "startup" else error.exit_code
    if settings.pool_memory_limit is not None:
        allowance.allow(bytes_of(settings.pool_memory_limit))
    # From here on an order to stop is heard; before, its signal ends what can't read it.
    signalling.disregard(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    channel.send(Ready(os.getpid()))
    return process.serve(birth, channel)
