"""`prefork reload`."""

import click

from prefork.cli.instances import chosen
from prefork.cli.output import Meter, say
from prefork.control.cells import count
from prefork.control.client import Client
from prefork.control.progress import Progress, read
from prefork.control.protocol import Request
from prefork.errors import AppError, ControlError, ExitCode


@click.command("reload")
@click.argument("name", required=False)
@click.option("--wait", is_flag=True, help="Wait until it is over; fail where the new code fails.")
def command(name: str | None, wait: bool) -> int:
    """Load the application anew, without losing a request.

    Where the new code fails to start, the old one serves on.

    NAME, or the path of a control socket, may be left out where only one instance runs.
    """
    with Client(chosen(name)) as client:
        begun = read(client.name, client.ask(Request("reload", wait)))
        say(_beginning(client.name, begun))
        if wait:
            say(_outcome(client.name, _awaited(client)))
    return ExitCode.OK


def _beginning(name: str, begun: Progress) -> str:
    if begun.state == "queued":
        return f"{name} will reload after what it is loading now (generation {begun.generation})"
    return f"{name} is reloading (generation {begun.generation})"


def _awaited(client: Client) -> Progress:
    try:
        return _watched(client)
    except KeyboardInterrupt:
        say(f"{client.name} reloads all the same")
        raise


def _watched(client: Client) -> Progress:
    """Show how it goes on, and return how it ended, however long that takes."""
    with Meter() as meter:
        while (seen := read(client.name, client.receive_at_last())).state == "running":
            if seen.moved:
                meter.show(f"generation {seen.generation}: {_moved(seen)}")
    return seen


def _outcome(name: str, end: Progress) -> str:
    """What is said of a success; whatever else it was is raised."""
    match end.state:
        case "succeeded":
            return f"{name} runs generation {end.generation}: {_moved(end)} in {end.seconds:.1f} s"
        case "failed":
            reason = f"{name}: the reload failed: {end.reason}; {_left(end)}"
            raise AppError(reason, end.detail, ExitCode.FAILURE)
        case "cancelled":
            raise ControlError(f"{name}: the reload was cancelled: {end.reason}")
        case "stopped":
            raise ControlError(f"{name} stopped before it reloaded")
        case _:
            raise ControlError(f"{name} did not say how the reload ended")


def _left(end: Progress) -> str:
    """What a failed reload left behind."""
    if end.moved:
        return f"{end.moved} of {count(end.slots, 'worker')} keep the new code"
    return "the old code serves on"


def _moved(seen: Progress) -> str:
    return f"{seen.moved} of {count(seen.slots, 'worker')} moved"
