"""Printing a command's result."""

import sys
from typing import Any, Self

import click
import msgspec

_CLEAR = "\r\x1b[K"  # to the start of the line, which is erased


class Meter:
    """Shows how far something is: on one line of a terminal, elsewhere on a line each time."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_terminal and self._shown:
            say(_CLEAR, end="")

    def show(self, text: str) -> None:
        if text == self._shown:
            return
        self._shown = text
        if self._is_terminal:
            say(_CLEAR + text, end="")
        else:
            say(text)


def say(text: str, end: str = "\n") -> None:
    """Print lines. A reader that left early is no error; a full disk is one."""
    try:
        click.echo(text + end, nl=False)
    except BrokenPipeError:
        raise  # click ends quietly
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise click.ClickException(f"standard output: {reason}") from None


def say_json(value: Any) -> None:
    say(as_json(value))


def as_json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
