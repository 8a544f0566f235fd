"""`prefork check`."""

import click

from prefork.cli.failures import report
from prefork.cli.options import SettingsCommand
from prefork.cli.output import say
from prefork.control.cells import table
from prefork.errors import ExitCode, SettingsError
from prefork.settings import activation, environment
from prefork.settings.checks import shown
from prefork.settings.declaration import Described, spelled
from prefork.settings.parsing import Text
from prefork.settings.resolution import Resolution, resolve
from prefork.settings.schema import described


@click.command("check", cls=SettingsCommand)
@click.option("--explain", is_flag=True, help="Show every value, and where it comes from.")
def command(explain: bool, **options: Text | bool | None) -> int:
    """Check the settings and import the application, without serving it.

    Takes what `serve` takes. Every problem of every source is told, one a line. The application is
    imported in a process of its own. The exit code is 0 if `serve` would start, 2 if a setting is
    wrong, 3 if the application can't be imported.
    """
    resolution = resolve(options, environment.variables())
    if explain:
        say(_explained(resolution))
    if resolution.merged.problems:
        for problem in resolution.merged.problems:
            report(SettingsError(problem))
        return ExitCode.USAGE
    environment.add(resolution.variables)
    environment.forget(activation.VARIABLES)
    from prefork.cli.trial import tried  # noqa: PLC0415 - a wrong setting can spare it

    settings = resolution.settings()
    say(f"{settings.app}: {tried(settings)}")
    return ExitCode.OK


def _explained(resolution: Resolution) -> str:
    """Which file was read, a line per setting, one per variable that the application is given."""
    merged = resolution.merged
    rows = [
        [each.name, _told(each, merged.values[each.name]), merged.origins[each.name]]
        for each in described()
        if each.name in merged.values
    ]
    added = sorted(resolution.variables)  # by name alone: a value may be a secret
    rows += [[shown(n), "(set)", f"{resolution.places[n]}, for the application"] for n in added]
    file, profile = shown(resolution.file or "none"), shown(resolution.profile or "none")
    return f"file: {file}; profile: {profile}\n{table(('SETTING', 'VALUE', 'FROM'), rows)}"


def _told(each: Described, value: object) -> str:
    """The value, without what is secret in it."""
    conceal = each.doc.shown
    return _shown(conceal(value) if conceal is not None and isinstance(value, str) else value)


def _shown(value: object) -> str:
    return "(unset)" if value is None or value in ("", ()) else shown(spelled(value))
