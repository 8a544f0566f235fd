"""`prefork list`."""

from typing import Any

import click

from prefork.cli.output import say, say_json
from prefork.control.client import Heard, survey
from prefork.control.directory import default_directory, running
from prefork.control.show import Row, instances
from prefork.control.stats import Stats, read
from prefork.errors import ControlError


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> int:
    """Show every running instance of this user."""
    rows = [Row(heard.name, heard.pid, _read(heard)) for heard in survey(running())]
    if as_json:
        say_json([_plain(row) for row in rows])
    else:
        none = f"no instance is running (looked in {default_directory()})"
        say(instances(rows) if rows else none)
    return 0


def _read(heard: Heard) -> Stats | None:
    try:
        return read(heard.name, heard.answer) if heard.answer else None
    except ControlError:
        return None


def _plain(row: Row) -> dict[str, Any]:
    stats = row.stats
    return {
        "name": row.name,
        "pid": stats.pid if stats else row.pid,
        "bind": stats.bind if stats else None,
        "workers_ready": stats.ready if stats else None,
        "workers_wanted": stats.workers_wanted if stats else None,
        "generation": stats.generation if stats else None,
        "state": stats.state if stats else "silent",
        "requests": stats.totals.requests if stats else None,
        "uptime": stats.uptime if stats else None,
    }
