"""The migration pages have a row for each option of the other server, and what they map works."""

import ast
import shlex
from pathlib import Path

import click
import pytest
from gunicorn.config import KNOWN_SETTINGS, Config
from tests.docs.evidence import SHOWN_BY
from tests.docs.pages import HOWTO, Row, code, rows
from tests.docs.reader import understand
from tests.support.program import ROOT
from uvicorn.main import main as uvicorn

from prefork.cli.serve import command as serve
from prefork.settings.resolution import CONFIG, Resolution, resolve
from prefork.settings.running import STDOUT
from prefork.settings.schema import described
from prefork.settings.sources import COMMAND_LINE

UVICORN = HOWTO / "from-uvicorn.md"
GUNICORN = HOWTO / "from-gunicorn.md"
PAGES = (UVICORN, GUNICORN)
APP_MODULE = "APP_MODULE"  # of gunicorn: no option, and the setting wsgi_app
BEYOND_SETTINGS = {"-h", "--help", "-v", "--version"}
REFUSALS = ("No", "Not yet")
FILES = (
    "cert.pem",
    "key.pem",
    "clients.pem",
    "shop.env",
    "shop.toml",
    "logging.json",
    "logging.toml",
    "logging.ini",
)
ROWS = [row for page in PAGES for row in rows(page)]
EXAMPLES = sorted({row.example for row in ROWS if row.example})
SETTINGS = {
    option: each.name or ""
    for each in serve.params
    for option in (*each.opts, *each.secondary_opts)
}


def resolved(words: list[str], directory: Path) -> Resolution:
    """What `prefork serve app:app WORDS` makes of it."""
    context = understand("serve", ["app:app", *words])
    return resolve(context.params, {}, directory)


def named(words: list[str]) -> set[str]:
    """The settings whose options are among the words."""
    return {SETTINGS[word] for word in options(words)} - {CONFIG}


def options(words: list[str]) -> set[str]:
    return {word for word in words if word.startswith("-") and word != STDOUT}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be where all that the examples name is there."""
    (tmp_path / "src").mkdir()
    for name in FILES:
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


# A row for each of theirs


def test_the_page_has_every_option_of_the_installed_uvicorn_and_no_other() -> None:
    parameters = uvicorn.get_params(click.Context(uvicorn))
    typed = {
        (each.human_readable_name,)
        if isinstance(each, click.Argument)
        else (*each.opts, *each.secondary_opts)
        for each in parameters
    }
    assert {row.theirs for row in rows(UVICORN)} == typed


def test_the_page_has_every_setting_of_the_installed_gunicorn_and_no_other() -> None:
    settings = {(tuple(each.cli or ()), each.name, each.section) for each in KNOWN_SETTINGS}
    shown = {
        (tuple(each for each in row.theirs if each != APP_MODULE), row.in_file, row.section)
        for row in rows(GUNICORN)
        if row.in_file
    }
    assert shown == settings


def test_the_page_has_every_option_of_gunicorns_command_line_and_no_other() -> None:
    parser = Config(usage="%(prog)s").parser()
    typed = {option for action in parser._actions for option in action.option_strings}
    shown = {option for row in rows(GUNICORN) for option in row.theirs}
    assert shown == typed | {APP_MODULE}
    assert {option for row in rows(GUNICORN) if not row.in_file for option in row.theirs} == (
        BEYOND_SETTINGS
    )


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_no_option_has_two_rows(page: Path) -> None:
    shown = [each for row in rows(page) for each in row.theirs or (row.in_file,)]
    assert sorted(set(shown)) == sorted(shown)


# What the rows say of ours


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_row_says_what_to_type_or_why_there_is_nothing(row: Row) -> None:
    is_refused = row.ours.startswith(tuple(f"{word}{end}" for word in REFUSALS for end in ".:,"))
    assert row.example or is_refused or "`prefork " in row.ours
    assert row.ours.endswith(".")
    spans = [span.split()[0] for span in code(row.ours)]
    for option in options(shlex.split(row.example)):
        assert option in spans, f"{row}: the example's {option} is not in the text"
    if not is_refused:
        assert {span for span in spans if span.startswith("-")} <= {*SETTINGS}


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_changes_the_settings_that_it_names(example: str, project: Path) -> None:
    words = shlex.split(example)
    resolution = resolved(words, project)
    assert resolution.merged.problems == () or "--config" in words
    values, origins = resolution.merged.values, resolution.merged.origins
    changed = {
        each.name
        for each in described()
        if origins.get(each.name) == COMMAND_LINE and values[each.name] != each.default
    }
    assert changed - {"app"} == named(words)
    if "--config" in words:
        assert resolution.file == Path("shop.toml")
    else:
        assert changed > {"app"}


# What is mapped has a test that shows it


def test_every_setting_that_the_pages_map_to_has_its_evidence() -> None:
    mapped = {name for example in EXAMPLES for name in named(shlex.split(example))}
    assert set(SHOWN_BY) == mapped


@pytest.mark.parametrize("place", sorted(set(SHOWN_BY.values())), ids=str)
def test_the_evidence_exists(place: str) -> None:
    module, _, name = place.partition("::")
    tree = ast.parse((ROOT / module).read_text())
    tests = {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
    assert name in tests if name else any(each.startswith("test_") for each in tests)
