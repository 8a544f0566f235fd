"""The moment in which a forked child becomes a script's worker: it executes the script."""

import os

from prefork.errors import AppError
from prefork.settings import environment
from prefork.wire import birth as births
from prefork.wire import boundary, lineage, outlet
from prefork.wire.channel import Channel
from prefork.wire.estate import WorkerBirth
from prefork.worker.report import report

NOT_STARTED = 127  # what a shell exits with where there is no such program


def main(birth: WorkerBirth) -> int:
    """Become the program. Returns the exit code only where that can't be.

    The signal of its parent's death stays set, and what it prints is tagged as a worker's.
    """
    launch = birth.launch
    assert launch is not None, "it is called for those that have one"
    lineage.die_with(birth.estate.primary)
    outlet.divert(birth.estate.output, f"w{birth.slot}")
    try:
        if launch.cwd is not None:
            os.chdir(launch.cwd)
        variables = environment.with_added({**launch.env, **births.certify(birth)})
        boundary.flush()
        os.execvpe(launch.argv[0], launch.argv, variables)
    except OSError as error:
        place = launch.cwd if launch.cwd is not None and error.filename == launch.cwd else None
        what = f"cwd {place}" if place else launch.argv[0]
        reason = f"cannot start {what}: {error.strerror}"
        report(Channel(birth.channel), "startup", AppError(reason))
    return NOT_STARTED
