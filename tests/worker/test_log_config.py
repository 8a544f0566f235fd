"""A file configures the application's `logging`, or one line says why it can't."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from prefork.errors import AppError
from prefork.settings.schema import Settings
from prefork.worker.app_logging import ToOurLog, configure

LOGGER = logging.getLogger("shop.cart")  # made before anything is configured, as at an import
OURS = """\
import logging

class Own(logging.Handler):
    def emit(self, record): print("own", record.getMessage(), flush=True)

def broken(): return {}["queue"]
"""


pytestmark = pytest.mark.usefixtures("logging_restored")

HANDLERS = {"out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}}
CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(levelname)s %(name)s %(message)s"}},
    "handlers": {"out": HANDLERS["out"] | {"formatter": "plain"}},
    "root": {"level": "INFO", "handlers": ["out"]},
}
TOML = """
version = 1
disable_existing_loggers = false
[formatters.plain]
format = "%(levelname)s %(name)s %(message)s"
[handlers.out]
class = "logging.StreamHandler"
stream = "ext://sys.stdout"
formatter = "plain"
[root]
level = "INFO"
handlers = ["out"]
"""
INI = """
[loggers]
keys = root
[handlers]
keys = out
[formatters]
keys = plain
[logger_root]
level = INFO
handlers = out
[handler_out]
class = StreamHandler
args = (sys.stdout,)
formatter = plain
[formatter_plain]
format = %(levelname)s %(name)s %(message)s
"""


def by_file(place: Path, name: str, text: str, **others: Any) -> None:
    (place / name).write_text(text, encoding="utf-8")
    logging.getLogger().handlers[:] = []  # pytest's
    configure(Settings(app="a:b", log_config=str(place / name), app_dir=str(place), **others))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.json", json.dumps(CONFIG)),
        ("x.JSON", "\ufeff" + json.dumps(CONFIG)),
        ("x.toml", TOML),
        ("x.ini", INI),
        ("x.conf", INI),
    ],
)
def test_each_form_configures_loggers_that_are_there_already(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    by_file(tmp_path, name, text)
    LOGGER.info("sold")
    LOGGER.debug("bought")
    assert capsys.readouterr().out == "INFO shop.cart sold\n"


def test_a_config_that_disables_loggers_disables_none_that_is_made_afterwards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_file(tmp_path, "x.json", json.dumps(CONFIG | {"disable_existing_loggers": True}))
    LOGGER.info("before")
    logging.getLogger(f"made.{tmp_path.name}").info("after")
    assert capsys.readouterr().out == f"INFO made.{tmp_path.name} after\n"


def test_a_config_may_name_classes_of_the_application(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shop_logs.py").write_text(OURS)
    own = {"handlers": {"out": {"()": "shop_logs.Own"}}}
    by_file(tmp_path, "x.json", json.dumps(CONFIG | own))
    LOGGER.info("sold")
    assert capsys.readouterr().out == "own sold\n"


def test_both_settings_together_leave_what_the_file_says(tmp_path: Path) -> None:
    by_file(tmp_path, "x.json", json.dumps({"version": 1}), app_log_level="info")
    assert [type(each) for each in logging.getLogger().handlers] == [ToOurLog]
    by_file(tmp_path, "y.json", json.dumps(CONFIG), app_log_level="info")
    assert [type(each) for each in logging.getLogger().handlers] == [logging.StreamHandler]


def failure(place: Path, name: str, text: str | bytes) -> AppError:
    (place / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(AppError) as caught:
        configure(Settings(app="a:b", log_config=str(place / name), app_dir=str(place)))
    return caught.value


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("x.json", "{", "json.decoder.JSONDecodeError: Expecting property name"),
        ("x.json", "[]", "TypeError: it must hold the names and values of a dictConfig"),
        ("x.json", "{}", "ValueError: dictionary doesn't specify a version"),
        ("x.json", b"\xff", "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff"),
        ("x.toml", "a = = 1", "tomllib.TOMLDecodeError: Invalid value"),
        ("x.ini", "hello", "configparser.MissingSectionHeaderError: File contains no section"),
        ("x.ini", "[loggers]\nkeys = root", "ValueError: it has no section [handlers]"),
        ("x.ini", INI.replace("[logger_root]", "[logger_x]"), "KeyError: 'logger_root'"),
        ("x.yaml", "version: 1", "ValueError: YAML is not read: write it as .json, .toml or .ini"),
        (
            "x.json",
            json.dumps(CONFIG | {"handlers": {"out": {"class": "nowhere.Handler"}}}),
            "ValueError: Unable to configure handler 'out': ValueError: Cannot resolve "
            "'nowhere.Handler': No module named 'nowhere'",
        ),
        (
            "x.json",
            json.dumps(CONFIG | {"root": {"level": "LOUD"}}),
            "ValueError: Unable to configure root logger: ValueError: Unknown level: 'LOUD'",
        ),
    ],
)
def test_one_that_is_broken_is_a_line_with_file_and_reason(
    tmp_path: Path, name: str, text: str | bytes, reason: str
) -> None:
    error = failure(tmp_path, name, text)
    assert str(error).startswith(f"--log-config {tmp_path}/{name}: {reason}")
    assert str(error).isprintable()
    assert error.detail == ""


def test_what_their_own_code_raises_has_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "shop_fails.py").write_text(OURS)
    broken = {"handlers": {"out": {"()": "shop_fails.broken"}}}
    error = failure(tmp_path, "x.json", json.dumps(CONFIG | broken))
    assert str(error).endswith("Unable to configure handler 'out': KeyError: 'queue'")
    assert "shop_fails.py" in error.detail
