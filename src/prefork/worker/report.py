"""What a process tells the primary of a failure before it exits."""

import select

from prefork.errors import AppError, SettingsError
from prefork.wire.channel import Channel
from prefork.wire.messages import Failed

LONGEST_REASON = 2000  # characters of a message that the primary is told; the beginning
LONGEST_DETAIL = 32 * 1024  # characters of a traceback; the end. At most four bytes each


def report(channel: Channel, stage: str, error: AppError | SettingsError) -> None:
    """Tell why the application failed; or that settings are why."""
    detail = ""
    if isinstance(error, AppError):
        detail = _encodable(error.detail)[-LONGEST_DETAIL:]
    else:
        stage = "settings"
    channel.send(Failed(stage, _encodable(str(error))[:LONGEST_REASON], detail))
    while not channel.flush():
        select.select([], [channel], [])


def _encodable(text: str) -> str:
    """Spell out what is no character: an exception's message may hold anything."""
    return text.encode(errors="backslashreplace").decode()
