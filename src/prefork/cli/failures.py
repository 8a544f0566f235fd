"""What a command that failed says, and what it exits with."""

from contextlib import suppress

import click

from prefork.errors import AppError, PreforkError
from prefork.log import escape

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def report(error: PreforkError | click.ClickException) -> int:
    """Print one line that names the culprit; before it the application's own traceback."""
    if isinstance(error, AppError) and error.detail:
        _print("\n".join(escape(line) for line in error.detail.splitlines()))
    _print(f"prefork: error: {_line(error)}")
    return int(error.exit_code)


def _line(error: PreforkError | click.ClickException) -> str:
    message = error.format_message() if isinstance(error, click.ClickException) else str(error)
    return escape(" ".join(message.split()))


def _print(text: str) -> None:
    with suppress(OSError):  # nobody reads it; the exit code still tells
        click.echo(text, err=True)
