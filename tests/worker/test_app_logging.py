"""Records of the application's `logging` are lines of prefork's log."""

import json
import logging
import logging.config
from typing import Any

import pytest

from prefork import log
from prefork.settings.schema import Settings
from prefork.worker.app_logging import configure

LOGGER = logging.getLogger("shop.cart")  # made before anything is configured, as at an import
pytestmark = pytest.mark.usefixtures("logging_restored")


def said(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines of the log, without when and who."""
    lines = capfd.readouterr().err.splitlines()
    return [
        {k: v for k, v in json.loads(line).items() if k not in ("time", "process")}
        for line in lines
    ]


def to_our_log(level: Any) -> None:
    log.configure("error", "json")
    logging.getLogger().handlers[:] = []  # pytest's
    configure(Settings(app="a:b", app_log_level=level))


def test_without_either_setting_logging_is_left_alone() -> None:
    before = logging.getLogger().handlers[:]
    configure(Settings(app="a:b"))
    assert logging.getLogger().handlers == before


def test_a_record_is_a_line_with_its_logger_whatever_prefork_logs_itself(
    capfd: pytest.CaptureFixture[str],
) -> None:
    to_our_log("info")
    LOGGER.info("sold %d", 3)
    assert said(capfd) == [
        {"level": "info", "event": "app", "logger": "shop.cart", "message": "sold 3"}
    ]


@pytest.mark.parametrize(
    ("number", "level"),
    [
        (1, "debug"),
        (10, "debug"),
        (19, "debug"),
        (20, "info"),
        (25, "info"),
        (30, "warning"),
        (40, "error"),
        (50, "error"),
        (90, "error"),
    ],
)
def test_a_level_is_the_nearest_of_ours_that_is_not_above(
    capfd: pytest.CaptureFixture[str], number: int, level: str
) -> None:
    to_our_log("debug")
    logging.getLogger().setLevel(1)
    LOGGER.log(number, "x")
    assert [line["level"] for line in said(capfd)] == [level]


@pytest.mark.parametrize(
    ("level", "count"), [("debug", 5), ("info", 4), ("warning", 3), ("error", 2), ("critical", 1)]
)
def test_what_is_below_the_level_is_not_said(
    capfd: pytest.CaptureFixture[str], level: str, count: int
) -> None:
    to_our_log(level)
    for number in (10, 20, 30, 40, 50):
        LOGGER.log(number, "x")
    assert len(said(capfd)) == count


def test_a_traceback_and_a_stack_are_the_detail(capfd: pytest.CaptureFixture[str]) -> None:
    to_our_log("info")
    try:
        raise KeyError("tea")
    except KeyError:
        LOGGER.exception("not sold")
    LOGGER.info("where", stack_info=True)
    caught, stack = said(capfd)
    assert caught["detail"].startswith("Traceback (most recent call last):")
    assert caught["detail"].endswith("KeyError: 'tea'")
    assert stack["detail"].endswith('LOGGER.info("where", stack_info=True)')


def test_arguments_that_do_not_fit_are_told_as_logging_does(
    capfd: pytest.CaptureFixture[str],
) -> None:
    to_our_log("info")
    LOGGER.info("sold %d", "three")
    assert "--- Logging error ---" in capfd.readouterr().err


def test_a_message_cannot_begin_a_line_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "text")
    configure(Settings(app="a:b", app_log_level="info"))
    LOGGER.info("a\nb\x1b[2J")
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert r"message=" in err
    assert "\x1b" not in err


def test_basic_config_of_the_application_does_nothing_more(
    capfd: pytest.CaptureFixture[str],
) -> None:
    to_our_log("info")
    logging.basicConfig(level="DEBUG", format="other %(message)s")
    LOGGER.info("x")
    LOGGER.debug("y")
    assert [line["message"] for line in said(capfd)] == ["x"]


def test_a_dict_config_with_a_root_takes_our_place() -> None:
    to_our_log("info")
    logging.config.dictConfig({"version": 1, "root": {"level": "ERROR", "handlers": []}})
    assert logging.getLogger().handlers == []


def test_a_dict_config_without_a_root_stands_beside_us(capfd: pytest.CaptureFixture[str]) -> None:
    to_our_log("info")
    logging.config.dictConfig(
        {"version": 1, "disable_existing_loggers": False, "loggers": {"other": {"level": "ERROR"}}}
    )
    LOGGER.info("x")
    logging.getLogger("other").info("y")
    assert [line["message"] for line in said(capfd)] == ["x"]
