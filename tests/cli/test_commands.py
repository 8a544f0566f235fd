import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.instance import instance, line, result, silent_instance, stats, worker

from prefork.cli.main import main
from prefork.control.directory import claim, default_directory


def shop(request: dict[str, Any]) -> list[bytes]:
    """Answer as a healthy instance."""
    if request["verb"] == "stats":
        return [result(**stats("shop"))]
    stopped = [result(state="stopped", exit_code=6)] if "wait" in request else []
    return [result(state="stopping"), *stopped]


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("prefork: error: ")
    return err.removeprefix("prefork: error: ").rstrip("\n")


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("command", ["stats", "status", "stop", "reload"])
def test_without_an_instance_a_command_says_so(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    looked_in = default_directory()
    assert failure(capsys, command) == f"no instance is running (looked in {looked_in})"
    assert failure(capsys, command, "shop") == "no instance called shop is running"


def test_without_a_name_several_instances_are_listed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with claim(home / "b.sock"), claim(home / "a.sock"):
        said = failure(capsys, "stats")
    assert said == "several instances are running; name one of them: a, b"


def test_without_a_name_the_only_instance_is_meant(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with instance(home / "shop.sock", shop):
        assert main(["stats", "--json"]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert seen["name"] == "shop"
    assert seen["workers"][0].keys() >= {"cpu_percent", "rss", "pss"}
    assert seen.keys() >= {"primary", "memory", "totals"}


def test_an_instance_can_be_meant_by_the_path_of_its_socket(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with instance(tmp_path / "mine.sock", shop), instance(home / "other.sock", shop):
        assert main(["stats", str(tmp_path / "mine.sock")]) == 0
    assert "2 of 2 workers ready" in capsys.readouterr().out


@pytest.mark.parametrize(("wanted", "code"), [(2, 0), (3, 1)])
def test_status_tells_by_its_exit_code_whether_all_are_ready(
    home: Path, capsys: pytest.CaptureFixture[str], wanted: int, code: int
) -> None:
    with instance(home / "shop.sock", lambda _: [result(**stats(workers_wanted=wanted))]):
        assert main(["status", "shop"]) == code
    said, _, *lines = capsys.readouterr().out.splitlines()
    assert said == f"app-8000: serving, 2 of {wanted} workers ready"
    assert len(lines) == 2


def test_stop_returns_when_it_is_accepted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with instance(home / "shop.sock", shop) as seen:
        assert main(["stop", "shop"]) == 0
    assert capsys.readouterr().out == "shop is stopping\n"
    assert seen[-1] == {"prefork": 1, "verb": "stop"}


def test_stop_that_waits_exits_with_the_instances_exit_code(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with instance(home / "shop.sock", shop):
        assert main(["stop", "--wait"]) == 6
    assert capsys.readouterr().out == "shop has stopped with exit code 6\n"


@pytest.mark.parametrize(
    ("replies", "said"),
    [
        ([result(state="stopping")], "shop hung up without an answer"),
        ([result(state="stopping"), result(state="?")], "shop did not say how it stopped"),
        ([line(ok=False, error="not now")], "shop: not now"),
    ],
)
def test_stop_that_goes_wrong_says_how(
    home: Path, capsys: pytest.CaptureFixture[str], replies: list[bytes], said: str
) -> None:
    with instance(home / "shop.sock", lambda _: replies):
        assert failure(capsys, "stop", "shop", "--wait") == said


def test_an_answer_of_another_shape_is_one_clear_line(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with instance(home / "shop.sock", lambda _: [result(workers=1)]):
        assert "shop: its answer is not understood" in failure(capsys, "status")


def test_list_shows_what_runs_and_what_is_silent(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with instance(home / "shop.sock", shop), silent_instance(home / "wedged.sock"):
        assert main(["list", "--json"]) == 0
    good, bad = json.loads(capsys.readouterr().out)
    assert good == {
        "name": "shop",
        "pid": 0,
        "bind": ["127.0.0.1:8000"],
        "workers_ready": 2,
        "workers_wanted": 2,
        "generation": 1,
        "state": "serving",
        "requests": 14,
        "uptime": 3723.0,
    }
    assert (bad["name"], bad["state"], bad["bind"]) == ("wedged", "silent", None)
    assert bad["pid"] > 0


def test_list_is_a_table(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with instance(home / "shop.sock", shop):
        assert main(["list"]) == 0
    _, line = capsys.readouterr().out.splitlines()
    assert line.split()[0] == "shop"
    assert "2/2" in line


def test_list_does_not_stumble_over_an_answer_of_another_shape(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with instance(home / "new.sock", lambda _: [result(workers=1)]):
        assert main(["list"]) == 0
    assert "silent" in capsys.readouterr().out


@pytest.mark.usefixtures("home")
def test_list_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    looked_in = default_directory()
    assert capsys.readouterr().out == f"no instance is running (looked in {looked_in})\n"
    assert main(["list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_the_report_shows_workers_that_have_no_process_yet(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    young = stats("shop", workers=[worker(0, pid=None, state="spawning", uptime=None)])
    with instance(home / "shop.sock", lambda _: [result(**young)]):
        assert main(["stats"]) == 0
    assert "spawning" in capsys.readouterr().out
