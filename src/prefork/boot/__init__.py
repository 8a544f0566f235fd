"""The composition root: makes the parts of a primary from the settings, and runs it."""

from contextlib import closing

from prefork.boot.instance import Instance
from prefork.errors import ExitCode
from prefork.settings.schema import Settings


def serve(settings: Settings) -> int:
    """Run a fleet until it is told to stop. Returns the exit code.

    Raises AddressError where an address or the name is taken, before anything is forked, and
    AppError or SettingsError where nothing ever served.
    """
    with closing(Instance(settings)) as instance:
        return instance.run() if instance.begin() else ExitCode.OK
