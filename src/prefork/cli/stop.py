"""`prefork stop`."""

from typing import Any

import click

from prefork.cli.instances import chosen
from prefork.cli.output import say
from prefork.control.client import Client
from prefork.control.protocol import Request
from prefork.errors import ControlError


@click.command("stop")
@click.argument("name", required=False)
@click.option("--wait", is_flag=True, help="Wait until it has stopped; exit with its exit code.")
def command(name: str | None, wait: bool) -> int:
    """Let an instance finish its requests and stop.

    NAME, or the path of a control socket, may be left out where only one instance runs.
    """
    with Client(chosen(name)) as client:
        client.ask(Request("stop", wait))
        if not wait:
            say(f"{client.name} is stopping")
            return 0
        code = _exit_code(client.name, client.receive_at_last())
        say(f"{client.name} has stopped with exit code {code}")
        return code


def _exit_code(name: str, answer: dict[str, Any]) -> int:
    code = answer.get("exit_code")
    if isinstance(code, int):
        return code
    raise ControlError(f"{name} did not say how it stopped")
