"""`prefork serve`."""

import click

from prefork.cli.options import SettingsCommand
from prefork.settings import environment
from prefork.settings.parsing import Text
from prefork.settings.resolution import resolve


@click.command("serve", cls=SettingsCommand)
def command(**options: Text | bool | None) -> int:
    """Serve an application in the foreground until SIGTERM or SIGINT.

    APP is MODULE:ATTRIBUTE: an ASGI or WSGI application, a coroutine function that answers
    requests, or MODULE:FACTORY() that makes one of these. Settings are read from prefork.toml, from
    PREFORK_* in the environment, and from options; each wins over those before it.
    """
    resolution = resolve(options, environment.variables())
    settings = resolution.settings()
    resolution.take_effect()
    from prefork.boot import serve  # noqa: PLC0415 - --help and a wrong setting can spare it

    return serve(settings)
