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
    """Show a line per worker; tell by the exit code whether all is well.

    It is 0 if every wanted worker serves and one that dies could be replaced at once, else 1.
    A reload that failed is shown; that alone is no reason for 1: the old code serves.

    NAME, or the path of a control socket, may be left out where only one instance runs.
    """
    _, stats = ask_stats(name)
    say(show.status(stats, utc_now().timestamp()))
    return ExitCode.OK if stats.is_healthy else ExitCode.FAILURE
