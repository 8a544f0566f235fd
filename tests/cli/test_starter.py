"""The file that `init` writes: as it is, and with each of its lines uncommented."""

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import certificates

from prefork.cli.main import main
from prefork.cli.starter import WIDTH, starter, toml
from prefork.settings.resolution import Resolution, resolve
from prefork.settings.schema import Settings, described

APP = {"app": "main:app"}
LINES = starter(APP).splitlines()
SETTINGS = [n for n, line in enumerate(LINES) if re.match(r"#[A-Za-z_]+ = ", line)]
HOOKS = ("on_starting", "when_ready", "post_fork", "pre_stop", "worker_exit", "warm_up")
POOL_LINE = LINES.index("#pool = 0")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that the examples name, which is where prefork runs."""
    for each in described():
        monkeypatch.delenv(each.variable, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "main.py").write_text("async def app(request): return 'x'\n")
    (tmp_path / "hooks.py").write_text("".join(f"def {name}(*_): ...\n" for name in HOOKS))
    (tmp_path / ".env").write_text("COLOUR=red\n")
    (tmp_path / "logging.json").write_text('{"version": 1}')
    certificates.write(tmp_path)
    certificates.write_authority(tmp_path, "clients.pem")
    return tmp_path


@pytest.fixture
def descriptor_3() -> Iterator[None]:
    """Descriptor 3 is open for writing, as `3>FILE` of a shell leaves it."""
    kept = os.dup(3) if Path("/proc/self/fd/3").exists() else None
    null = os.open(os.devnull, os.O_WRONLY)
    if null != 3:
        os.dup2(null, 3)
        os.close(null)
    yield
    if kept is None:
        os.close(3)
    else:
        os.dup2(kept, 3)
        os.close(kept)


def resolved(*uncommented: int, profile: str | None = None) -> Resolution:
    lines = [line.lstrip("#") if n in uncommented else line for n, line in enumerate(LINES)]
    Path("prefork.toml").write_text("\n".join(lines))
    return resolve({"profile": profile}, {})


def with_pool(number: int) -> tuple[int, ...]:
    """The line, and that of `pool` with those that do nothing without it."""
    return (number, POOL_LINE) if LINES[number].startswith("#pool_") else (number,)


@pytest.mark.usefixtures("project")
def test_as_it_is_it_says_what_the_defaults_are() -> None:
    resolution = resolved()
    assert resolution.merged.problems == ()
    assert resolution.settings() == Settings(app="main:app")
    assert resolution.variables == {}


@pytest.mark.usefixtures("project", "descriptor_3")
@pytest.mark.parametrize("number", SETTINGS, ids=lambda n: LINES[n].split()[0])
@pytest.mark.parametrize("profile", [None, "production"])
def test_any_one_line_can_be_uncommented(number: int, profile: str | None) -> None:
    resolution = resolved(*with_pool(number), profile=profile)
    assert resolution.merged.problems == ()
    resolution.settings()


@pytest.mark.usefixtures("project", "descriptor_3")
def test_a_line_that_is_uncommented_is_the_default_where_that_can_be_written() -> None:
    defaults = Settings(app="main:app")
    for number in SETTINGS:
        name = LINES[number].lstrip("#").split()[0]
        each = next((each for each in described() if each.name == name), None)
        if each is None or number > LINES.index("[env]"):
            continue
        settings = resolved(*with_pool(number)).settings()
        assert (settings == defaults) == (each.default is not None), name


@pytest.mark.usefixtures("project", "descriptor_3")
def test_all_lines_together_are_what_check_takes(capsys: pytest.CaptureFixture[str]) -> None:
    resolution = resolved(*SETTINGS, profile="production")
    assert resolution.variables.keys() == {"COLOUR", "DATABASE_URL"}
    assert resolution.settings().workers == "max"
    assert main(["check", "--profile", "production"]) == 0, capsys.readouterr().err


def test_every_setting_has_its_line_and_every_line_its_setting() -> None:
    named = [LINES[n].lstrip("#").split()[0] for n in SETTINGS if n < LINES.index("[env]")]
    assert ["app", *named] == [each.name for each in described()]


def test_a_setting_whose_default_cannot_be_written_has_an_example() -> None:
    lacking = [e.name for e in described() if e.default is None and e.doc.example is None]
    assert lacking == []


def test_every_setting_has_its_help_its_form_its_variable_and_its_default() -> None:
    prose = " ".join(line.removeprefix("# ") for line in LINES)
    for each in described():
        assert each.doc.help in prose
        assert f"{each.form} · {each.variable} · " in prose
        assert each.is_positional or f"default: {each.default_text} " in prose


def test_no_line_is_wide() -> None:
    assert max(map(len, LINES)) <= WIDTH


def test_where_nothing_was_chosen_the_application_is_an_example() -> None:
    lines = starter({}).splitlines()
    assert '#app = "main:app"' in lines
    assert tomllib.loads("\n".join(lines)) == {"env": {}, "profile": {"production": {}}}


def test_what_was_chosen_is_set() -> None:
    table = tomllib.loads(starter({"app": "shop.web:app()", "app_dir": "src"}))
    assert (table["app"], table["app_dir"]) == ("shop.web:app()", "src")


@pytest.mark.parametrize("value", ['a"b\\c', "é\n\t", ("a", "b"), (), True, False, 7, 0.05, 30.0])
def test_a_value_is_read_back_as_it_was(value: object) -> None:
    read = tomllib.loads(f"x = {toml(value)}")["x"]
    assert (tuple(read) if isinstance(value, tuple) else read) == value


def test_the_first_line_is_where_editors_look_for_the_schema() -> None:
    assert LINES[0] == "#:schema ./prefork.schema.json"
