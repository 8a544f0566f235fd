"""`prefork stats`."""

import click

from prefork.cli.instances import ask_stats
from prefork.cli.output import say, say_json
from prefork.control.show import report
from prefork.log import utc_now


@click.command("stats")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str | None, as_json: bool) -> int:
    """Show all that an instance tells of itself and its processes.

    NAME, or the path of a control socket, may be left out where only one instance runs.
    """
    answer, stats = ask_stats(name)
    if as_json:
        say_json(answer)
    else:
        say(report(stats, utc_now().timestamp()))
    return 0
