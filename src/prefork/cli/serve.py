"""`prefork serve`."""

import click

from prefork.cli.options import SettingsCommand
from prefork.settings.environment import variables
from prefork.settings.parsing import Text
from prefork.settings.sources import from_command_line, from_environment, resolve


@click.command("serve", cls=SettingsCommand)
def command(**options: Text | None) -> int:
    """Serve an application in the foreground until SIGTERM or SIGINT.

    APP is MODULE:ATTRIBUTE: an ASGI application, a coroutine function that answers requests, or
    MODULE:FACTORY() that makes one of these.
    """
    settings = resolve(from_environment(variables()), from_command_line(options))
    from prefork.boot import serve  # noqa: PLC0415 - --help and a wrong setting can spare it

    return serve(settings)
