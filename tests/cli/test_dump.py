"""`prefork dump`, in every form that it is typed in, and what it prints."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.instance import instance, line, result

from prefork.cli.main import main

WORKER: dict[str, Any] = {
    "slot": 0,
    "pid": 101,
    "generation": 2,
    "blocked": "loop",
    "requests": ["GET /report"],
    "tasks": [{"name": "request (GET /report)", "frames": [], "is_running": True}],
    "threads": [
        {
            "name": "MainThread",
            "frames": [
                {"file": "/srv/shop.py", "line": 15, "function": "report", "code": "time.sleep(9)"}
            ],
        }
    ],
}
OTHER = {"slot": 1, "pid": 102, "generation": 2, "missing": "no stacks:\x1b it is stopped"}


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ([], {}),
        (["0"], {"slot": 0}),
        (["shop"], {}),
        (["shop", "12"], {"slot": 12}),
        (["--json", "shop", "12"], {"slot": 12}),
    ],
)
def test_a_number_is_a_slot_and_a_word_before_it_a_name(
    home: Path, words: list[str], asked: dict[str, int]
) -> None:
    with instance(home / "shop.sock", lambda _: [result(workers=[])]) as seen:
        assert main(["dump", *words]) == 0
    assert seen == [{"prefork": 1, "verb": "dump", **asked}]


def test_each_worker_is_told_with_where_it_is_last(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with instance(home / "shop.sock", lambda _: [result(workers=[WORKER, OTHER])]):
        main(["dump"])
    assert (
        capsys.readouterr().out
        == """\
worker 0, pid 101, generation 2, blocked: loop
  requests in flight: GET /report
  task request (GET /report), running in the main thread:
  thread MainThread:
    File "/srv/shop.py", line 15, in report
      time.sleep(9)

worker 1, pid 102, generation 2
  no stacks:\\x1b it is stopped
"""
    )


def test_as_json_it_is_told_as_it_came(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with instance(home / "shop.sock", lambda _: [result(workers=[WORKER])]):
        main(["dump", "--json"])
    assert json.loads(capsys.readouterr().out) == {"workers": [WORKER]}


def failure(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["dump", *words]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err.removeprefix("prefork: error: ").rstrip("\n")


def test_a_slot_that_is_not_there_is_told_in_one_line(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = line(ok=False, error="there is no worker in slot 7 now")
    with instance(home / "shop.sock", lambda _: [refused]):
        assert failure(capsys, "7") == "shop: there is no worker in slot 7 now"


def test_an_instance_that_ends_first_is_told_too(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with instance(home / "shop.sock", lambda _: [result(state="stopped", exit_code=0)]):
        assert failure(capsys) == "shop stopped before it answered"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["shop", "first"], "Which slot? Say a number, not 'first'."),
        (["shop", "-1"], "No such option"),
        (["shop", "1", "2", "3"], "Got unexpected extra words (2 3)"),
    ],
)
def test_what_is_no_slot_is_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["dump", *words]) == 2
    assert said in capsys.readouterr().err


def test_without_an_instance_it_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert failure(capsys, "shop") == "no instance called shop is running"
    assert failure(capsys) == f"no instance is running (looked in {home})"
