"""`prefork scale`, in every form that it is typed in."""

from pathlib import Path
from typing import Any

import pytest
from tests.support.instance import instance, line, result

from prefork.cli.main import main


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["3"], {"workers": 3}),
        (["0"], {"workers": 0}),
        (["+2"], {"by": 2}),
        (["-1"], {"by": -1}),
        (["-12"], {"by": -12}),
        (["--", "-1"], {"by": -1}),
        (["shop", "5"], {"workers": 5}),
        (["shop", "+5"], {"by": 5}),
        (["shop", "-1"], {"by": -1}),
    ],
)
def test_a_number_is_what_is_wanted_and_one_with_a_sign_a_change(
    home: Path, words: list[str], asked: dict[str, int]
) -> None:
    with instance(home / "shop.sock", lambda _: [result(workers=5)]) as seen:
        assert main(["scale", *words]) == 0
    assert seen == [{"prefork": 1, "verb": "scale", **asked}]


def test_of_two_numbers_the_first_is_a_name(home: Path) -> None:
    with instance(home / "8000.sock", lambda _: [result(workers=3)]) as seen:
        assert main(["scale", "8000", "3"]) == 0
    assert seen[0]["workers"] == 3


@pytest.mark.parametrize(
    ("workers", "said"), [(5, "shop: 5 workers wanted\n"), (1, "shop: 1 worker wanted\n")]
)
def test_the_new_number_is_told(
    home: Path, capsys: pytest.CaptureFixture[str], workers: int, said: str
) -> None:
    with instance(home / "shop.sock", lambda _: [result(workers=workers)]):
        main(["scale", "+1"])
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "How many workers? Say N, +N or -N."),
        (["shop"], "How many workers? Say N, +N or -N, not 'shop'."),
        (["-x"], "How many workers? Say N, +N or -N, not '-x'."),
        (["--frob"], "How many workers? Say N, +N or -N, not '--frob'."),
        (["shop", "1.5"], "How many workers? Say N, +N or -N, not '1.5'."),
        (["shop", "٣"], "How many workers? Say N, +N or -N, not '٣'."),
        (["-1", "shop"], "How many workers? Say N, +N or -N, not 'shop'."),
        (["1", "2", "3"], "Got unexpected extra words (3)"),
        (["-x", "3"], "not a name of an instance: '-x'"),
    ],
)
@pytest.mark.usefixtures("home")
def test_what_is_no_number_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["scale", *words]) == 2
    assert capsys.readouterr().err == f"prefork: error: {said}\n"


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_is_not_taken_for_a_number(capsys: pytest.CaptureFixture[str], word: str) -> None:
    assert main(["scale", word]) == 0
    assert "prefork scale [OPTIONS] [NAME] N|+N|-N" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (line(ok=False, error="it is stopping"), "shop: it is stopping"),
        (result(state="?"), "shop did not say how many workers it wants"),
    ],
)
def test_what_goes_wrong_is_told(
    home: Path, capsys: pytest.CaptureFixture[str], reply: Any, said: str
) -> None:
    with instance(home / "shop.sock", lambda _: [reply]):
        assert main(["scale", "3"]) == 1
    assert capsys.readouterr().err == f"prefork: error: {said}\n"
