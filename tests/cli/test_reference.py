from pathlib import Path

import pytest

from prefork.cli.reference import main


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
