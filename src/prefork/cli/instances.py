"""Which instance a command means, and how it is asked."""

from pathlib import Path
from typing import Any

from prefork.control.client import Client
from prefork.control.directory import default_directory, locate, running
from prefork.control.protocol import Request
from prefork.control.stats import Stats, read
from prefork.errors import ControlError


def chosen(name: str | None) -> Path:
    """The socket of the instance called *name*, or of the only one that runs.

    Raises ControlError where none or several run.
    """
    if name is not None:
        return locate(name)
    match running():
        case [instance]:
            return instance.path
        case []:
            raise ControlError(f"no instance is running (looked in {default_directory()})")
        case several:
            names = ", ".join(each.name for each in several)
            raise ControlError(f"several instances are running; name one of them: {names}")


def ask_stats(name: str | None) -> tuple[dict[str, Any], Stats]:
    """The instance's answer to `stats` with what its processes use: as it came, and as read."""
    from prefork.control.sample import measured  # noqa: PLC0415 - psutil, which `list` can spare

    path = chosen(name)
    with Client(path) as client:
        answer = client.ask(Request("stats"))
        read(client.name, answer)  # before it is measured: it may be nonsense
        answer = measured(answer)
        return answer, read(client.name, answer)
