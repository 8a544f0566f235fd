"""What no program can be given is refused where somebody asks for it."""

from typing import Any

import pytest

from prefork.wire.estate import Launch


def test_a_launch_takes_what_a_program_can_be_given() -> None:
    made = Launch(("python", "ä", "\udcff"), {"PORT": "8000", "A": ""}, "/tmp")
    assert made.env == {"PORT": "8000", "A": ""}


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"env": {"PORT": 8000}}, TypeError, "the variable 'PORT' must be a str, not int"),
        ({"env": {8000: "x"}}, TypeError, "the variable 8000 must be a str, not int"),
        ({"env": {"A=B": "x"}}, ValueError, "'A=B' is no name of a variable"),
        ({"env": {"": "x"}}, ValueError, "'' is no name of a variable"),
        ({"env": {"A": "\0"}}, ValueError, "the variable 'A' has characters that no program"),
        ({"argv": ("x\0",)}, ValueError, r"the argument 'x\\x00' has characters that no program"),
        ({"argv": ("\ud800",)}, ValueError, r"the argument '\\ud800' has characters that"),
        ({"argv": (1,)}, TypeError, "the argument 1 must be a str, not int"),
        ({"cwd": "\0"}, ValueError, r"the directory '\\x00' has characters that no program"),
    ],
)
def test_what_no_program_can_be_given_is_named(
    given: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        Launch(**{"argv": ("python",)} | given)
