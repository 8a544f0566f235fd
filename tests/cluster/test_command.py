"""How a script's workers are started."""

from typing import Any

import pytest

from prefork.cluster.command import _split, check, name_of
from prefork.settings.checks import application, instance_name


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("/srv/shop.py", "shop"),
        ("my-shop.v2.py", "my_shop_v2"),
        ("_cluster.py", "cluster"),
        ("7.py", "script_7"),
        ("日本.py", "script"),
        ("-c", "c"),
        ("-", "script"),
        ("", "script"),
        ("x" * 100, "x" * 32),
        ("7" * 100, "script_" + "7" * 32),
    ],
)
def test_any_script_has_a_name_that_applications_and_instances_may_have(
    script: str, name: str
) -> None:
    assert name_of(script) == name
    assert application(f"{name}:__main__") is None
    assert instance_name(f"{name}-{2**22}") is None


@pytest.mark.parametrize(
    ("flags", "what", "arguments"),
    [
        ("", "s.py", "a"),
        ("-O -X dev", "s.py", "-m a"),
        ("-WXc", "s.py", ""),
        ("-bW error", "-c pass", "-c"),
        ("-I", "-Om module", "a"),
        ("", "-cpass", "a"),
        ("--check-hash-based-pycs never", "-mmodule", ""),
        ("-u", "-", "a"),
        ("-u", "", ""),
    ],
)
def test_flags_are_told_from_what_is_run_and_that_from_its_arguments(
    flags: str, what: str, arguments: str
) -> None:
    given = [*flags.split(), *what.split(), *arguments.split()]
    assert _split(given) == (flags.split(), what.split(), arguments.split())


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("args", "--quick", "args must be a list, not str"),
        ("exec_argv", "-O", "exec_argv must be a list, not str"),
        ("cwd", 5, "cwd must be a path, not int"),
        ("exec", b"a", "exec must be a path, not bytes"),
    ],
)
def test_what_no_program_is_started_with_is_refused(name: str, value: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        check({name: value})
    check({name: None})
