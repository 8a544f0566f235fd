import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from prefork.cli.main import main
from prefork.errors import AddressError, AppError
from prefork.settings.schema import Settings, described

Serve = Callable[[Settings], int]


class Boot(ModuleType):
    """Stands in for `prefork.boot`, which the command imports when the settings are right."""

    def __init__(self) -> None:
        super().__init__("prefork.boot")
        self.settings: list[Settings] = []
        self.result: int | Exception = 0

    def serve(self, settings: Settings) -> int:
        self.settings.append(settings)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.fixture
def boot(monkeypatch: pytest.MonkeyPatch) -> Boot:
    boot = Boot()
    monkeypatch.setitem(sys.modules, "prefork.boot", boot)
    for each in described():
        monkeypatch.delenv(each.variable, raising=False)
    return boot


def error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that `prefork serve` fails with for bad usage."""
    assert main(["serve", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err.rstrip("\n")


def test_options_become_settings(boot: Boot, tmp_path: Path) -> None:
    arguments = ["app:handler", "--workers", "max", "--bind", "[::1]:0", "--bind=unix:/x"]
    arguments += ["--graceful-timeout", "2.5", "--app-dir", str(tmp_path)]
    boot.result = 6
    assert main(["serve", *arguments]) == 6
    [settings] = boot.settings
    assert settings == Settings(
        app="app:handler",
        workers="max",
        bind=("[::1]:0", "unix:/x"),
        graceful_timeout=2.5,
        app_dir=str(tmp_path),
    )


def test_the_environment_is_below_the_command_line(
    boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFORK_APP", "shop:app")
    monkeypatch.setenv("PREFORK_WORKERS", "3")
    monkeypatch.setenv("PREFORK_BACKLOG", "7")
    assert main(["serve", "--workers", "4"]) == 0
    [settings] = boot.settings
    assert (settings.app, settings.workers, settings.backlog) == ("shop:app", 4, 7)


def test_a_wrong_value_names_option_remedy_and_value(
    boot: Boot, capsys: pytest.CaptureFixture[str]
) -> None:
    line = error(capsys, "app:x", "--workers", "0")
    assert line == "prefork: error: --workers must be from 1 to 1024, or max (got 0)"
    assert boot.settings == []


@pytest.mark.usefixtures("boot")
def test_a_negative_value_is_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert "(got -1)" in error(capsys, "app:x", "--workers", "-1")
    assert "(got -2.5)" in error(capsys, "app:x", "--graceful-timeout", "-2.5")


@pytest.mark.usefixtures("boot")
def test_all_problems_are_told_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = error(capsys, "app", "--bind", "nonsense", "--ready-fd", "999", "--policy", "best")
    for part in ("APP must be", "--bind must be", "(got nonsense)", "--ready-fd", "--policy"):
        assert part in line


@pytest.mark.usefixtures("boot")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "APP must be given, or PREFORK_APP set, or app in prefork.toml"),
        (["app:x", "--worker", "2"], "'--workers'?"),
        (["app:x", "--port", "2"], "No such option '--port': write --bind HOST:PORT."),
        (["app:x", "-k", "uvicorn.workers.UvicornWorker"], "No such option '-k': the interface"),
        (["app:x", "--pool-max", "2"], "No such option '--pool-max': write --pool."),
        (["app:x", "--nonsense"], "No such option '--nonsense'."),
        (["app:x", "--workers"], "requires an argument. Write -w, --workers N|max."),
        (["app:x", "other:y"], "other:y"),
        (["-1"], "-1"),
        (["app:x", "--name", "a\x1b[2Jb"], "a\\x1b[2Jb"),
    ],
)
def test_bad_usage_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert said in error(capsys, *arguments)


def test_the_applications_traceback_stands_before_the_line(
    boot: Boot, capsys: pytest.CaptureFixture[str]
) -> None:
    boot.result = AppError("app:x raised KeyError", "Traceback (most recent call last):\n  x\n")
    assert main(["serve", "app:x"]) == 3
    assert capsys.readouterr().err.splitlines() == [
        "Traceback (most recent call last):",
        "  x",
        "prefork: error: app:x raised KeyError",
    ]


def test_an_error_while_serving_ends_with_its_exit_code(
    boot: Boot, capsys: pytest.CaptureFixture[str]
) -> None:
    boot.result = AddressError("127.0.0.1:80: permission denied")
    assert main(["serve", "app:x"]) == 5
    assert capsys.readouterr().err == "prefork: error: 127.0.0.1:80: permission denied\n"


def test_the_help_shows_every_setting_with_default_unit_and_variable(
    boot: Boot, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for each in described():
        assert each.label in shown
        assert each.variable in shown
    assert "[default: 75 seconds; PREFORK_KEEPALIVE_TIMEOUT]" in shown
    assert "[default: 30 seconds; with --reload 1 seconds; PREFORK_GRACEFUL_TIMEOUT]" in shown
    assert "-w, --workers N|max" in shown
    assert boot.settings == []
