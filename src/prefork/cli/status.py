"""`prefork status`."""

import click

from prefork.cli.instances import ask_stats
from prefork.cli.output import say
from prefork.control import show
from prefork.errors import ExitCode
from prefork.log import utc_now


@click.command("status")
@click.argument("name", required=False)
def command(name: str | None) -> int:
    """Show a line per worker; tell by the exit code whether all are ready.

    It is 0 if every wanted worker is ready, else 1.

    NAME, or the path of a control socket, may be left out where only one instance runs.
    """
    _, stats = ask_stats(name)
    say(show.status(stats, utc_now().timestamp()))
    return ExitCode.OK if stats.is_healthy else ExitCode.FAILURE
