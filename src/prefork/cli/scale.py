"""`prefork scale`."""

import re

import click

from prefork.cli.instances import chosen
from prefork.cli.output import say
from prefork.control.cells import count
from prefork.control.client import Client
from prefork.control.protocol import Request
from prefork.errors import ControlError

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


# Or click would take -1 for an option.
@click.command("scale", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, metavar="[NAME] N|+N|-N")
def command(words: tuple[str, ...]) -> int:
    """Have an instance keep N workers, or N more or fewer than now.

    New workers run the present code; those of too many finish their requests.

    NAME, or the path of a control socket, may be left out where only one instance runs.
    """
    name, request = _meant(words)
    with Client(chosen(name)) as client:
        wanted = client.ask(request).get("workers")
        if not isinstance(wanted, int):
            raise ControlError(f"{client.name} did not say how many workers it wants")
        say(f"{client.name}: {count(wanted, 'worker')} wanted")
    return 0


def _meant(words: tuple[str, ...]) -> tuple[str | None, Request]:
    match words:
        case [number]:
            return None, _request(number)
        case [name, number]:
            return name, _request(number)
        case []:
            raise click.UsageError("How many workers? Say N, +N or -N.")
        case _:
            raise click.UsageError(f"Got unexpected extra words ({' '.join(words[2:])})")


def _request(number: str) -> Request:
    if not _NUMBER.fullmatch(number):
        raise click.UsageError(f"How many workers? Say N, +N or -N, not '{number}'.")
    if number[0] in "+-":
        return Request("scale", by=int(number))
    return Request("scale", workers=int(number))
