import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from prefork.cli.editor_schema import editor_schema
from prefork.cli.main import main
from prefork.cli.starter import starter


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "prefork.toml").read_text())


def test_the_application_that_is_there_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "main.py").write_text("app = 1")
    assert main(["init"]) == 0
    said = capsys.readouterr().out
    assert said == "prefork.toml: it serves main:app, found in main.py; try `prefork check`\n"
    assert written(folder) == {"app": "main:app", "env": {}, "profile": {"production": {}}}


def test_the_folder_of_an_application_in_src_is_written_too(folder: Path) -> None:
    (folder / "src").mkdir()
    (folder / "src" / "api.py").write_text("app = 1")
    assert main(["init"]) == 0
    assert written(folder).items() >= {"app": "api:app", "app_dir": "src"}.items()


def test_the_application_that_is_named_is_not_looked_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "main.py").write_text("app = 1")
    assert main(["init", "shop:make()"]) == 0
    assert written(folder)["app"] == "shop:make()"
    assert "it serves shop:make();" in capsys.readouterr().out


def test_without_an_application_the_file_says_where_to_write_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init"]) == 0
    assert capsys.readouterr().out == (
        "prefork.toml: no application was found; write yours as app\n"
    )
    assert (folder / "prefork.toml").read_text() == starter({})


@pytest.mark.parametrize("is_link", [False, True])
def test_a_file_that_is_there_is_never_overwritten(
    folder: Path, capsys: pytest.CaptureFixture[str], is_link: bool
) -> None:
    before = b"# mine\n"
    if is_link:
        (folder / "prefork.toml").symlink_to("elsewhere")
    else:
        (folder / "prefork.toml").write_bytes(before)
    assert main(["init"]) == 2
    assert capsys.readouterr().err == (
        "prefork: error: prefork.toml is there already; --force replaces it\n"
    )
    assert not (folder / "elsewhere").exists()
    assert is_link or (folder / "prefork.toml").read_bytes() == before


def test_force_replaces_it(folder: Path) -> None:
    (folder / "prefork.toml").write_text("# mine\n" * 10_000)
    assert main(["init", "--force", "a:b"]) == 0
    assert (folder / "prefork.toml").read_text() == starter({"app": "a:b"})


def test_whoever_has_settings_in_pyproject_is_told_that_these_are_not_read_any_more(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "pyproject.toml").write_text("[tool.prefork]\nworkers = 2\n")
    assert main(["init", "a:b"]) == 0
    assert capsys.readouterr().out.endswith(
        "[tool.prefork] in pyproject.toml is not read any more: prefork.toml takes its place\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["shop"], "APP must be MODULE:ATTRIBUTE, as in app:handler (got shop)"),
        (["--schema", "a:b"], "--schema writes no file: it goes alone."),
        (["--schema", "--force"], "--schema writes no file: it goes alone."),
        (["--forc"], "No such option '--forc'. Did you mean '--force'?"),
    ],
)
def test_bad_usage_is_one_line_and_nothing_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["init", *arguments]) == 2
    assert capsys.readouterr().err == f"prefork: error: {said}\n"
    assert not (folder / "prefork.toml").exists()


def test_a_place_that_cannot_be_written_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "prefork.toml").mkdir()
    assert main(["init", "a:b", "--force"]) == 2
    assert capsys.readouterr().err == (
        "prefork: error: cannot write prefork.toml: is a directory\n"
    )


def test_the_schema_is_printed_and_nothing_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out) == editor_schema()
    assert os.listdir(folder) == []


def test_the_program_does_the_same(folder: Path) -> None:
    (folder / "asgi.py").write_text("application = 1")
    done = subprocess.run([sys.executable, "-m", "prefork", "init"], check=False, cwd=folder)
    assert done.returncode == 0
    assert written(folder)["app"] == "asgi:application"
