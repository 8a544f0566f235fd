"""The application's own `logging`, configured before it is imported."""

import configparser
import json
import logging
import logging.config
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from traceback import extract_tb
from typing import Any

from prefork import log
from prefork.errors import AppError
from prefork.settings.schema import Settings
from prefork.worker.application import look_first_in
from prefork.worker.tracebacks import OURS, headline, own_traceback

_LEVELS: dict[int, log.Level] = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
}


_NOT_THEIRS = (OURS, "<frozen ", str(Path(logging.__file__).parent.parent))


class ToOurLog(logging.Handler):
    """Writes a record as a line of prefork's log, whole and without waiting, as that is."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - a format and arguments that don't fit: logging's own way
            self.handleError(record)
            return
        log.relay(
            _level(record.levelno),
            "app",
            logger=record.name,
            message=message,
            detail=_trace(record),
        )


def _trace(record: logging.LogRecord) -> str:
    """The traceback of what was caught, and the stack where one was asked for."""
    caught = record.exc_info[1] if record.exc_info else None
    return "\n".join(filter(None, [own_traceback(caught) if caught else "", record.stack_info]))


def configure(settings: Settings) -> None:
    """Do what the settings ask for; nothing where they don't. Raises AppError.

    The application may configure it anew: a dictConfig of its own that has a root replaces the
    handler, basicConfig without `force` leaves it alone.
    """
    if settings.app_log_level is not None:
        root = logging.getLogger()
        root.setLevel(settings.app_log_level.upper())
        root.addHandler(ToOurLog())
    if settings.log_config is not None:
        look_first_in(settings.app_dir)  # it may name classes of the application
        _configure_by(Path(settings.log_config))


def _configure_by(path: Path) -> None:
    try:
        _READERS.get(path.suffix.lower(), _by_ini)(path.read_text(encoding="utf-8-sig"))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it runs what the file names
        detail = own_traceback(error) if any(map(_is_theirs, _chain(error))) else ""
        raise AppError(f"--log-config {path}: {_reason(error)}", detail) from None


def _reason(error: BaseException) -> str:
    """What failed and why, on one line, and nothing of it twice."""
    said = ""
    for each in _chain(error):
        if not said or str(each) not in said:
            said += (": " if said else "") + " ".join(headline(each).split())
    return said


def _by_dict(read: Callable[[str], Any], text: str) -> None:
    found = read(text)
    if not isinstance(found, dict):
        raise TypeError("it must hold the names and values of a dictConfig")
    logging.config.dictConfig(found)


def _by_ini(text: str) -> None:
    parser = configparser.ConfigParser()
    parser.read_string(text)
    if missing := [name for name in _SECTIONS if not parser.has_section(name)]:
        raise ValueError(f"it has no section [{missing[0]}]")
    logging.config.fileConfig(parser, disable_existing_loggers=False)


def _no_yaml(_text: str) -> None:
    raise ValueError("YAML is not read: write it as .json, .toml or .ini")


_SECTIONS = ("loggers", "handlers", "formatters")  # fileConfig fails without, and says KeyError
_READERS: dict[str, Callable[[str], None]] = {
    ".json": lambda text: _by_dict(json.loads, text),
    ".toml": lambda text: _by_dict(tomllib.loads, text),
    ".yaml": _no_yaml,
    ".yml": _no_yaml,
}


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it came from: `logging` says what failed, and the cause says why."""
    yield error
    if error.__cause__ is not None:
        yield from _chain(error.__cause__)


def _is_theirs(error: BaseException) -> bool:
    """Whether it passed through code of the application: only then a traceback tells anything."""
    files = [frame.filename for frame in extract_tb(error.__traceback__)]
    return any("site-packages" in file or not file.startswith(_NOT_THEIRS) for file in files)


def _level(number: int) -> log.Level:
    """The nearest of our levels that is not above the record's."""
    return _LEVELS[max((known for known in _LEVELS if known <= number), default=logging.DEBUG)]
