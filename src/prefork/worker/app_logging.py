"""The application's own `logging`, configured before it is imported."""

import json
import logging
import logging.config
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefork import log
from prefork.errors import AppError
from prefork.settings.schema import Settings
from prefork.worker.tracebacks import headline, own_traceback

_LEVELS: dict[int, log.Level] = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
}


class ToOurLog(logging.Handler):
    """Writes a record as a line of prefork's log, whole and without waiting, as that is."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - a format and arguments that don't fit: logging's own way
            self.handleError(record)
            return
        detail = own_traceback(record.exc_info[1]) if record.exc_info and record.exc_info[1] else ""
        log.relay(_level(record.levelno), "app", logger=record.name, message=message, detail=detail)


def configure(settings: Settings) -> None:
    """Do what the settings ask for; nothing where they don't. Raises AppError.

    The application may configure it anew: a dictConfig of its own replaces the handler.
    """
    if settings.app_log_level is not None:
        root = logging.getLogger()
        root.setLevel(settings.app_log_level.upper())
        root.addHandler(ToOurLog())
    if settings.log_config is not None:
        _configure_by(Path(settings.log_config))


def _configure_by(path: Path) -> None:
    try:
        reader = _READERS.get(path.suffix)
        if reader is None:
            logging.config.fileConfig(path, disable_existing_loggers=False)
        else:
            logging.config.dictConfig(reader(path.read_text(encoding="utf-8")))
    except Exception as error:  # noqa: BLE001 - it imports and calls what the file names
        reason = f"--log-config {path}: {headline(error)}"
        cause = error.__cause__
        raise AppError(
            f"{reason}: {headline(cause)}" if cause else reason, own_traceback(error)
        ) from None


_READERS: dict[str, Callable[[str], dict[str, Any]]] = {
    ".json": json.loads,
    ".toml": tomllib.loads,
}


def _level(number: int) -> log.Level:
    """The nearest of our levels that is not above the record's."""
    return _LEVELS[max((known for known in _LEVELS if known <= number), default=logging.DEBUG)]
