"""The program: its commands, each loaded when it is asked for."""

import difflib
import importlib
import platform
from collections.abc import Sequence

import click

from prefork import __version__
from prefork.cli.failures import INTERRUPTED, report
from prefork.errors import PreforkError

# By name: the module whose `command` it is.
COMMANDS = {
    "serve": "prefork.cli.serve",
    "check": "prefork.cli.check",
    "init": "prefork.cli.init",
    "list": "prefork.cli.list",
    "stats": "prefork.cli.stats",
    "status": "prefork.cli.status",
    "dump": "prefork.cli.dump",
    "reload": "prefork.cli.reload",
    "scale": "prefork.cli.scale",
    "stop": "prefork.cli.stop",
}


class Program(click.Group):
    """A group that imports a command's module when the command is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            raise click.UsageError(f"No such command '{name}'.{_suggestion(name)}", ctx)
        return super().resolve_command(ctx, args)


def _suggestion(name: str) -> str:
    if ":" in name:
        return f" Did you mean 'prefork serve {name}'?"
    close = difflib.get_close_matches(name, COMMANDS, n=1)
    return f" Did you mean '{close[0]}'?" if close else f" There are {', '.join(COMMANDS)}."


@click.group(
    "prefork",
    cls=Program,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(
    __version__,
    message=f"prefork %(version)s ({platform.python_implementation()} {platform.python_version()})",
)
@click.pass_context
def program(ctx: click.Context) -> None:
    """Serve a Python web application on all cores."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its result is the process's exit code."""
    try:
        code: int | None = program.main(arguments, prog_name="prefork", standalone_mode=False)
    except (PreforkError, click.ClickException) as error:
        return report(error)
    except click.Abort:
        return INTERRUPTED
    return code or 0
