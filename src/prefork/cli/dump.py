"""`prefork dump`."""

import re

import click

from prefork.cli.instances import chosen
from prefork.cli.output import say, say_json
from prefork.control.client import Client
from prefork.control.dump import read, shown
from prefork.control.protocol import Request

_SLOT = re.compile(r"[0-9]{1,9}")


@click.command("dump")
@click.argument("words", nargs=-1, metavar="[NAME] [SLOT]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(words: tuple[str, ...], as_json: bool) -> int:
    """Show what workers are at: their requests, asyncio tasks and threads, line by line.

    It disturbs nobody, and works for a worker that hangs: all there is to tell is told.

    SLOT is the worker's as `status` shows it; without one all workers are shown.

    NAME, or the path of a control socket, may be left out where only one instance runs.
    """
    name, slot = _meant(words)
    with Client(chosen(name)) as client:
        answer = client.ask(Request("dump", slot=slot))
        workers = read(client.name, answer)
    if as_json:
        say_json(answer)
    else:
        say(shown(workers))
    return 0


def _meant(words: tuple[str, ...]) -> tuple[str | None, int | None]:
    match words:
        case []:
            return None, None
        case [word] if _SLOT.fullmatch(word):
            return None, int(word)
        case [name]:
            return name, None
        case [name, slot] if _SLOT.fullmatch(slot):
            return name, int(slot)
        case [_, slot]:
            raise click.UsageError(f"Which slot? Say a number, not '{slot}'.")
        case _:
            raise click.UsageError(f"Got unexpected extra words ({' '.join(words[2:])})")
