"""Bad input ends with one clear line that names the culprit, and a documented exit code."""

import socket
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from tests.process.conftest import Serve
from tests.support.program import ROOT, Outcome, run

from prefork.errors import ExitCode

GOOD = "tests.support.apps:app"


def serve_in_vain(home: Path, *arguments: str, prefix: Sequence[str] = ()) -> Outcome:
    return run("serve", "--app-dir", str(ROOT), *arguments, home=home, prefix=prefix)


def complaint(outcome: Outcome) -> str:
    """Return the one line of an outcome that complains."""
    lines = [line for line in outcome.err.splitlines() if "error" in line.lower()]
    assert len(lines) == 1, outcome.err
    return lines[0]


def modules(home: Path, **sources: str) -> list[str]:
    for name, source in sources.items():
        (home / f"{name}.py").write_text(source)
    return ["--app-dir", str(home)]


@pytest.mark.parametrize("preload", ["on", "off", "auto"])
def test_no_such_module(tmp_path: Path, preload: str) -> None:
    outcome = serve_in_vain(tmp_path, "nowhere:app", "--preload", preload)
    assert outcome.code == ExitCode.APP_IMPORT
    assert "nowhere" in complaint(outcome)
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("preload", ["on", "off", "auto"])
def test_a_module_that_raises_shows_its_own_traceback(tmp_path: Path, preload: str) -> None:
    broken = modules(tmp_path, broken="def load():\n    return {}['shop']\n\napp = load()\n")
    outcome = serve_in_vain(tmp_path, "broken:app", *broken, "--preload", preload)
    assert outcome.code == ExitCode.APP_IMPORT
    assert outcome.err.count("Traceback") == 1
    assert f'File "{tmp_path}/broken.py", line 2, in load' in outcome.err
    assert "KeyError: 'shop'" in outcome.err
    assert "/src/prefork/" not in outcome.err  # no frame of ours


def test_a_module_that_needs_a_missing_module_names_that_one(tmp_path: Path) -> None:
    needy = modules(tmp_path, needy="import missing_library\n")
    outcome = serve_in_vain(tmp_path, "needy:app", *needy)
    assert outcome.code == ExitCode.APP_IMPORT
    assert "No module named 'missing_library'" in outcome.err


def test_no_such_attribute(tmp_path: Path) -> None:
    outcome = serve_in_vain(tmp_path, "tests.support.apps:application")
    assert outcome.code == ExitCode.APP_IMPORT
    assert "application" in complaint(outcome)
    assert "Traceback" not in outcome.err


def test_an_attribute_that_is_not_callable(tmp_path: Path) -> None:
    outcome = serve_in_vain(tmp_path, "tests.support.apps:FOREVER")
    assert outcome.code == ExitCode.APP_IMPORT
    assert "FOREVER" in complaint(outcome)
    assert "Traceback" not in outcome.err


def test_a_lifespan_that_fails(tmp_path: Path) -> None:
    source = (
        "async def app(scope, receive, send):\n"
        "    await receive()\n"
        "    await send({'type': 'lifespan.startup.failed', 'message': 'no database'})\n"
    )
    outcome = serve_in_vain(tmp_path, "failing:app", *modules(tmp_path, failing=source))
    assert outcome.code == ExitCode.APP_START
    assert "no database" in outcome.err


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        outcome = serve_in_vain(tmp_path, GOOD, "--bind", address)
    assert outcome.code == ExitCode.ADDRESS
    assert address in complaint(outcome)
    assert "in use" in complaint(outcome)


@pytest.mark.parametrize("policy", ["rr", "shared"])
def test_a_second_instance_on_the_same_port(serve: Serve, tmp_path: Path, policy: str) -> None:
    address = serve("--policy", policy).bind[0]
    outcome = serve_in_vain(tmp_path, GOOD, "--bind", address, "--policy", policy)
    assert outcome.code == ExitCode.ADDRESS
    assert address in complaint(outcome)


def test_a_port_that_is_not_permitted(tmp_path: Path, nobody: Sequence[str]) -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if lowest < 2:
        pytest.skip("every port is permitted here")
    home = open_to_all(tmp_path)
    outcome = serve_in_vain(home, GOOD, "--bind", "127.0.0.1:1", prefix=nobody)
    assert outcome.code == ExitCode.ADDRESS
    assert "127.0.0.1:1" in complaint(outcome)
    assert "ermi" in complaint(outcome)  # permitted, permission


def test_no_workers(tmp_path: Path) -> None:
    outcome = serve_in_vain(tmp_path, GOOD, "--workers", "0")
    assert outcome.code == ExitCode.USAGE
    assert "--workers" in complaint(outcome)


def test_a_bind_that_is_nonsense(tmp_path: Path) -> None:
    outcome = serve_in_vain(tmp_path, GOOD, "--bind", "nonsense")
    assert outcome.code == ExitCode.USAGE
    assert "nonsense" in complaint(outcome)


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    outcome = serve_in_vain(tmp_path, GOOD, "--workers", "0", "--bind", "nonsense")
    assert outcome.code == ExitCode.USAGE
    assert "--workers" in outcome.err
    assert "nonsense" in outcome.err


def test_an_unknown_option_gets_a_suggestion(tmp_path: Path) -> None:
    outcome = serve_in_vain(tmp_path, GOOD, "--worker", "2")
    assert outcome.code == ExitCode.USAGE
    assert "--worker" in complaint(outcome)
    assert "--workers" in outcome.err


def test_no_application(tmp_path: Path) -> None:
    outcome = serve_in_vain(tmp_path)
    assert outcome.code == ExitCode.USAGE
    assert "APP" in complaint(outcome)


@pytest.mark.parametrize("directory", ["missing", "file", "forbidden"])
def test_a_unix_socket_directory_that_cannot_be_used(
    tmp_path: Path, nobody: Sequence[str], directory: str
) -> None:
    home = open_to_all(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "forbidden").mkdir(mode=0o755)
    if not nobody:
        (tmp_path / "forbidden").chmod(0o555)
    path = tmp_path / directory / "shop.sock"
    outcome = serve_in_vain(home, GOOD, "--bind", f"unix:{path}", prefix=nobody)
    assert outcome.code == ExitCode.ADDRESS
    assert str(path.parent) in complaint(outcome)


def test_a_name_that_is_running(serve: Serve) -> None:
    program = serve()
    outcome = serve_in_vain(program.home, GOOD, "--name", "shop", "--bind", "127.0.0.1:0")
    assert outcome.code == ExitCode.ADDRESS
    assert "shop" in complaint(outcome)
    assert program.stats()["state"] == "serving"


def test_a_command_for_a_name_that_does_not_run(tmp_path: Path) -> None:
    for command in ("stats", "status", "stop"):
        outcome = run(command, "nobody-here", home=tmp_path)
        assert outcome.code == ExitCode.FAILURE
        assert "nobody-here" in complaint(outcome)


def test_no_complaint_leaves_a_process_or_a_socket(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        serve_in_vain(tmp_path, GOOD, "--bind", f"127.0.0.1:{taken.getsockname()[1]}")
    serve_in_vain(tmp_path, "nowhere:app", "--bind", "127.0.0.1:0")
    assert list(tmp_path.rglob("*.sock")) == []


def open_to_all(tmp_path: Path) -> Path:
    """Return a home for uid 65534, who must also be able to walk to it."""
    for above in (tmp_path, *tmp_path.parents[:2]):
        above.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o777)
    return home
