"""What an application says through `logging`, in the real program."""

import json
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.support.asking import ask
from tests.support.program import Program, run

from prefork.errors import ExitCode

SOURCE = """
import logging, logging.config
{before}
log = logging.getLogger("shop.cart")
log.warning("imported")

async def handler(request):
    log.debug("asked")
    log.info("sold %s", request.path)
    try:
        raise KeyError("tea")
    except KeyError:
        log.exception("not sold")
    return "x"
"""
UVICORN = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"default": {"format": "%(levelname)s by %(name)s: %(message)s"}},
    "handlers": {
        "default": {
            "formatter": "default",
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stderr",
        }
    },
    "loggers": {
        "uvicorn": {"handlers": ["default"], "level": "INFO", "propagate": False},
        "uvicorn.access": {"handlers": ["default"], "level": "INFO", "propagate": False},
        "shop": {"handlers": ["default"], "level": "INFO", "propagate": False},
    },
}
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
args = (sys.stderr,)
formatter = plain
[formatter_plain]
format = %(levelname)s by %(name)s: %(message)s
"""
TOML = """
version = 1
[formatters.plain]
format = "%(levelname)s by %(name)s: %(message)s"
[handlers.out]
class = "logging.StreamHandler"
formatter = "plain"
[root]
level = "INFO"
handlers = ["out"]
"""
FILES = {"x.json": json.dumps(UVICORN), "x.toml": TOML, "x.ini": INI}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "place"
    place.mkdir()
    return place


def shop(place: Path, before: str = "") -> list[str]:
    (place / "shop.py").write_text(SOURCE.format(before=before))
    return ["--app-dir", str(place)]


def asked(program: Program) -> Program:
    assert ask(program.port, "/tea").status == 200
    return program


@pytest.mark.parametrize("preload", ["on", "off"])
@pytest.mark.parametrize("level", ["info", "error"])
def test_records_are_lines_of_the_log_whatever_its_level(
    serve: Serve, place: Path, preload: str, level: str
) -> None:
    options = ["--app-log-level", "info", "--log-level", level, "--preload", preload]
    journal = asked(serve(*shop(place), *options, app="shop:handler")).journal
    imported, sold, failed = journal.wait_for("app", count=3)
    assert (imported["level"], imported["message"]) == ("warning", "imported")
    assert (sold["level"], sold["logger"], sold["message"]) == ("info", "shop.cart", "sold /tea")
    assert (failed["level"], failed["message"]) == ("error", "not sold")
    assert failed["detail"].endswith("KeyError: 'tea'")
    assert f"{place}/shop.py" in failed["detail"]
    assert bool(journal.entries("started")) == (level == "info")


def test_what_is_below_the_level_is_not_there(serve: Serve, place: Path) -> None:
    program = serve(*shop(place), "--app-log-level", "error", app="shop:handler")
    asked(asked(program)).journal.wait_for("app", count=2)
    assert {entry["level"] for entry in program.journal.entries("app")} == {"error"}


def test_an_application_that_configures_logging_itself_wins(serve: Serve, place: Path) -> None:
    before = f"logging.config.dictConfig({json.loads(FILES['x.json']) | {'root': {}}!r})"
    program = serve(*shop(place, before), "--app-log-level", "debug", app="shop:handler")
    asked(program).journal.wait_for_line("INFO by shop.cart: sold /tea")
    assert program.journal.entries("app") == []


def test_basic_config_of_the_application_changes_nothing(serve: Serve, place: Path) -> None:
    before = "logging.basicConfig(level='DEBUG', format='other %(message)s')"
    program = serve(*shop(place, before), "--app-log-level", "info", app="shop:handler")
    asked(program).journal.wait_for("app", count=3)
    assert "other" not in program.journal.text


@pytest.mark.parametrize("preload", ["on", "off"])
@pytest.mark.parametrize("name", FILES)
def test_a_file_configures_it_before_the_import(
    serve: Serve, place: Path, name: str, preload: str
) -> None:
    (place / name).write_text(FILES[name])
    options = ["--log-config", str(place / name), "--preload", preload]
    journal = asked(serve(*shop(place), *options, app="shop:handler")).journal
    journal.wait_for_line("INFO by shop.cart: sold /tea")
    journal.wait_for_line("KeyError: 'tea'")  # its traceback's last line
    assert "WARNING by shop.cart: imported" in journal.text
    assert "asked" not in journal.text
    assert journal.entries("app") == []


@pytest.mark.parametrize("command", ["serve", "check"])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "JSONDecodeError"),
        (json.dumps(UVICORN | {"handlers": {}}), "Unable to configure logger"),
    ],
)
def test_a_file_that_is_broken_is_one_line(
    tmp_path: Path, place: Path, command: str, text: str, reason: str
) -> None:
    (place / "x.json").write_text(text)
    bind = ["--bind", "127.0.0.1:0"]
    options = [*shop(place), "--log-config", str(place / "x.json"), *bind]
    outcome = run(command, "shop:handler", *options, "--log-level", "error", home=tmp_path)
    assert outcome.code == ExitCode.APP_IMPORT
    assert "Traceback" not in outcome.err
    line = outcome.err.splitlines()[-1]
    assert line.startswith("prefork: error: ")
    assert f"--log-config {place}/x.json: " in line
    assert reason in line


def test_a_file_that_the_import_opened_is_written_by_the_workers(
    serve: Serve, tmp_path: Path
) -> None:
    """The template opened it; were it closed in a worker, a client would have its number."""
    told = tmp_path / "shop.log"
    opening = f"logging.basicConfig(filename={str(told)!r}, level='INFO')"
    (tmp_path / "shop.py").write_text(SOURCE.format(before=opening))
    program = serve("--app-dir", str(tmp_path), app="shop:handler")
    for number in range(3):
        assert ask(program.port, f"/{number}").body == b"x"
    text = told.read_text()
    assert [f"sold /{number}" in text for number in range(3)] == [True] * 3
