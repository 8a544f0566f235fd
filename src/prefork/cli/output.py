"""Printing a command's result."""

from typing import Any

import click
import msgspec


def say(text: str) -> None:
    """Print lines. A reader that left early is no error; a full disk is one."""
    try:
        click.echo(text)
    except BrokenPipeError:
        raise  # click ends quietly
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise click.ClickException(f"standard output: {reason}") from None


def say_json(value: Any) -> None:
    say(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
