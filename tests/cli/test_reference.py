from pathlib import Path

import pytest

from prefork.cli.reference import (
    exit_codes_page,
    main,
    settings_page,
    signals_page,
    states_page,
)
from prefork.core.process import TRANSITIONS, Phase
from prefork.errors import ExitCode
from prefork.primary.signals import REQUESTS
from prefork.settings.schema import described


def test_every_setting_has_its_flag_variable_and_default() -> None:
    page = settings_page()
    for each in described():
        assert f"### `{each.name}`" in page
        assert each.variable in page
        assert each.label in page
    assert "`--workers N|max` · `PREFORK_WORKERS` · default: 1" in page
    assert "`APP` · `PREFORK_APP` · required" in page
    assert "default: 30 seconds" in page


def test_every_exit_code_has_its_row() -> None:
    for code in ExitCode:
        assert f"| {code.value} | {code.name} | {code.meaning} |" in exit_codes_page()


def test_every_state_and_transition_is_shown() -> None:
    page = states_page()
    for phase in Phase:
        assert f"| `{phase.value}` | {phase.meaning} |" in page
    assert "    starting --> ready: ready" in page
    assert page.count(" --> ") == len(TRANSITIONS)


def test_every_signal_has_its_row() -> None:
    page = signals_page()
    for number, (_, meaning) in REQUESTS.items():
        assert f"| `{number.name}` | {meaning} |" in page
    assert "| `SIGHUP` | reload" in page


def test_the_check_finds_pages_that_are_missing_or_stale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "reference"
    assert main(["--check", str(directory)]) == 1
    assert main([str(directory)]) == 0
    assert main(["--check", str(directory)]) == 0
    capsys.readouterr()
    (directory / "settings.md").write_text("old")
    assert main(["--check", str(directory)]) == 1
    assert "settings.md is not what the code says" in capsys.readouterr().out


def test_bad_usage_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["--chek"]) == 2
    assert "usage:" in capsys.readouterr().err


def test_the_pages_in_the_repository_are_fresh() -> None:
    directory = Path(__file__).parents[2] / "docs" / "reference"
    assert main(["--check", str(directory)]) == 0
