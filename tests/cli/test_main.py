"""The program as typed: what it loads, how it fails, how it takes being cut off."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.instance import silent_instance

from prefork import __version__
from prefork.cli.main import COMMANDS, main
from prefork.control.directory import claim, prepare

PREFORK = [sys.executable, "-m", "prefork"]
HEAVY = ("psutil", "asyncio", "logging", "subprocess", "prefork.boot", "prefork.worker", "uvloop")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serv"], "prefork: error: No such command 'serv'. Did you mean 'serve'?\n"),
        (
            ["x"],
            "prefork: error: No such command 'x'. There are serve, check, init, list, stats, "
            "status, dump, reload, scale, stop.\n",
        ),
        (["app:app"], "No such command 'app:app'. Did you mean 'prefork serve app:app'?\n"),
        (["--versio"], "Did you mean '--version'?"),
        (["list", "--jsn"], "Did you mean '--json'?"),
        (["stop", "a", "b"], "prefork: error: Got unexpected extra argument (b)\n"),
        (["stop", ""], "prefork: error: not a name of an instance: ''\n"),  # as of an unset $NAME
        (["stats", ".."], "prefork: error: not a name of an instance: '..'\n"),
    ],
)
def test_bad_usage_is_one_line_with_a_suggestion(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith(f"prefork {__version__} (")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_the_help_names_every_command(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command, "--help"]) == 0
    assert f"prefork {command}" in capsys.readouterr().out


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("arguments", [["serve", "--help"], ["serve", "app"], ["list"], ["--help"]])
def test_a_quick_command_loads_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys; from prefork.cli.main import main; main(sys.argv[1:]); "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_module_is_the_program() -> None:
    done = subprocess.run([*PREFORK, "nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("prefork: error: No such command 'nonsense'.")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*PREFORK, "serve", "--help"], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert done.stderr == b""
    assert done.returncode == 1


@pytest.mark.usefixtures("home")
def test_a_full_disk_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*PREFORK, "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == "prefork: error: standard output: no space left on device\n"


def test_an_interrupt_ends_quietly_with_130(home: Path) -> None:
    prepare(home / "prefork")
    with claim(home / "prefork" / "shop.sock") as listener:
        waiting = subprocess.Popen([*PREFORK, "stop", "shop"], stderr=subprocess.PIPE)
        listener.settimeout(10)
        served, _ = listener.accept()
        with served:
            served.recv(100)  # it has asked, and waits
            waiting.send_signal(signal.SIGINT)
            _, err = waiting.communicate(timeout=10)
    assert waiting.returncode == 130
    assert err.strip() == b""


def test_a_wedged_primary_is_one_line_within_the_timeout(home: Path) -> None:
    prepare(home / "prefork")
    with silent_instance(home / "prefork" / "shop.sock"):
        done = subprocess.run(
            [*PREFORK, "stats"], capture_output=True, text=True, check=False, timeout=10
        )
    assert done.returncode == 1
    assert done.stderr == (
        f"prefork: error: shop (pid {os.getpid()}) did not answer within 2 s; "
        "is it stopped or stuck?\n"
    )
