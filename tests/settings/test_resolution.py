"""All sources together: which file and profile, what an env file adds, and what is wrong."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from prefork.errors import SettingsError
from prefork.settings.resolution import Resolution, resolve


def write(place: Path, **files: str) -> None:
    """Write files; __ in a name stands for the dot."""
    for name, text in files.items():
        (place / name.replace("__", ".")).write_text(text)


def lines(resolution: Resolution, place: Path) -> list[str]:
    """The problems, without the folder."""
    return [each.replace(f"{place}/", "") for each in resolution.merged.problems]


def with_env_file(place: Path, text: str | bytes, real: Mapping[str, str] = {}) -> Resolution:
    (place / "x.env").write_bytes(text if isinstance(text, bytes) else text.encode())
    return resolve({"app": "a:b", "env_file": str(place / "x.env")}, real, place)


# -- the file and its profile ------------------------------------------------


def test_without_any_file_there_is_what_was_typed(tmp_path: Path) -> None:
    resolution = resolve({"app": "a:b"}, {}, tmp_path)
    assert resolution.settings().app == "a:b"
    assert (resolution.file, resolution.profile) == (None, None)


def test_the_file_that_is_named_is_read_instead(tmp_path: Path) -> None:
    write(tmp_path, prefork__toml="workers = 1", other__toml="workers = 2", third__toml="")
    other, third = str(tmp_path / "other.toml"), str(tmp_path / "third.toml")
    named = {"app": "a:b", "config": other}
    assert resolve(named, {}, tmp_path).settings().workers == 2
    assert resolve({"app": "a:b"}, {"PREFORK_CONFIG": other}, tmp_path).settings().workers == 2
    assert resolve(named, {"PREFORK_CONFIG": third}, tmp_path).settings().workers == 2


def test_the_profile_that_is_typed_wins_over_the_one_of_the_environment(tmp_path: Path) -> None:
    write(tmp_path, prefork__toml="app='a:b'\n[profile.p]\nworkers=2\n[profile.q]\nworkers=3\n")
    real = {"PREFORK_PROFILE": "q"}
    assert resolve({"profile": "p"}, real, tmp_path).settings().workers == 2
    assert resolve({}, real, tmp_path).settings().workers == 3
    assert resolve({}, {"PREFORK_PROFILE": ""}, tmp_path).settings().workers == 1


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("gone.toml", "cannot read gone.toml: no such file or directory"),
        ("folder", "cannot read folder: is a directory"),
        ("bytes.toml", "bytes.toml is not UTF-8, line 1: there is the byte 0xff"),
        ("broken.toml", "broken.toml is no TOML: Expected"),
        ("pyproject.toml", "pyproject.toml has no table [tool.prefork]"),
    ],
)
def test_a_file_that_cannot_be_read_is_the_only_problem(
    tmp_path: Path, name: str, problem: str
) -> None:
    write(tmp_path, broken__toml="app", pyproject__toml="[project]\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    (line,) = lines(resolve({"config": str(tmp_path / name)}, {}, tmp_path), tmp_path)
    assert line.startswith(problem)


def test_what_was_typed_is_checked_beside_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    resolution = resolve({"config": str(tmp_path / "gone"), "workers": "x"}, {}, tmp_path)
    assert [line.split()[0] for line in lines(resolution, tmp_path)] == ["cannot", "--workers"]
    with pytest.raises(SettingsError, match="cannot read"):
        resolution.settings()


def test_a_profile_needs_a_file(tmp_path: Path) -> None:
    resolution = resolve({"app": "a:b", "profile": "p"}, {}, tmp_path)
    assert lines(resolution, tmp_path) == ["there is no prefork.toml that could have the profile p"]


def test_an_unknown_profile_is_told_with_the_other_problems(tmp_path: Path) -> None:
    write(tmp_path, prefork__toml="workers = 0\n[profile.dev]\n")
    found = lines(resolve({"app": "a:b", "profile": "de"}, {}, tmp_path), tmp_path)
    assert found == [
        "prefork.toml has no [profile.de] (did you mean 'dev'?)",
        "workers in prefork.toml must be from 1 to 1024, or max (got 0)",
    ]


# -- variables for the application -------------------------------------------


def test_variables_have_an_order_too(tmp_path: Path) -> None:
    base = "\n".join(f"{name} = 'file'" for name in "ABCD")
    profile = "\n".join(f"{name} = 'profile'" for name in "ABC")
    write(
        tmp_path,
        prefork__toml=f"env_file = 'x.env'\n[env]\n{base}\n[profile.p.env]\n{profile}\n",
        x__env="A=line\nB=line\n",
    )
    found = resolve({"app": "a:b", "profile": "p"}, {"A": ""}, tmp_path).variables
    assert found == {"B": "line", "C": "profile", "D": "file"}  # A is there already


def test_the_env_file_of_the_file_is_beside_it(tmp_path: Path) -> None:
    write(tmp_path, prefork__toml="env_file = '.env'")
    assert lines(resolve({"app": "a:b"}, {}, tmp_path), tmp_path) == [
        "env_file in prefork.toml must be a file that can be read (got .env)"
    ]
    write(tmp_path, __env="PREFORK_WORKERS=3\n")
    resolution = resolve({"app": "a:b"}, {}, tmp_path)
    assert resolution.settings().workers == 3
    assert resolution.merged.origins["workers"] == f"{tmp_path}/.env"


def test_lines_of_an_env_file_are_those_of_a_shell(tmp_path: Path) -> None:
    text = """\ufeff
# a comment
PLAIN=a b # not this
export EXPORTED=yes
SINGLE='a "b" # c'
DOUBLE="a 'b'\\n$c"
EMPTY=
HASH=a#b
URL=http://${HOST}:${PORT:-80}/${PLAIN}
"""
    assert with_env_file(tmp_path, text, {"HOST": "real"}).variables == {
        "PLAIN": "a b",
        "EXPORTED": "yes",
        "SINGLE": 'a "b" # c',
        "DOUBLE": "a 'b'\n$c",
        "EMPTY": "",
        "HASH": "a#b",
        "URL": "http://real:80/a b",
    }


def test_a_line_means_by_a_name_what_the_application_sees_by_it(tmp_path: Path) -> None:
    found = with_env_file(tmp_path, "HOST=line\nURL=http://${HOST}", {"HOST": "real"}).variables
    assert found == {"URL": "http://real"}
    assert with_env_file(tmp_path, "HOST=line\nURL=http://${HOST}").variables["URL"] == (
        "http://line"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("A=1\n\n\nnonsense here\n", "x.env, line 4: must be NAME=VALUE"),
        ("A=1\nB\n", "x.env, line 2: must be NAME=VALUE"),
        ("=1\n", "x.env, line 1: must be NAME=VALUE"),
        ("A='open\n", "x.env, line 1: must be NAME=VALUE"),
        ("A=1\nB=\0\n", "x.env, line 2: must not hold the character NUL"),
        ("'A=B'=1\n", "x.env, line 1: must have a name without ="),
        (b"A=1\nB=\xff\n", "x.env is not UTF-8, line 2: there is the byte 0xff"),
        ("PREFORK_WORKERS=0", "PREFORK_WORKERS in x.env must be from 1 to 1024, or max (got 0)"),
        (
            "PREFORK_PROFILE=p",
            "PREFORK_PROFILE in x.env comes too late: write --profile, or set it in the "
            "environment",
        ),
        ("PREFORK_ENV_FILE=y", "PREFORK_ENV_FILE in x.env comes too late: write --env-file, or"),
    ],
)
def test_a_line_that_is_none_is_told_with_its_number(
    tmp_path: Path, text: str | bytes, problem: str
) -> None:
    (line,) = lines(with_env_file(tmp_path, text), tmp_path)
    assert line.startswith(problem)


def test_what_comes_too_late_does_not_disturb_where_it_is_set_in_time(tmp_path: Path) -> None:
    write(tmp_path, prefork__toml="[profile.p]\nworkers = 2\n")
    resolution = with_env_file(tmp_path, "PREFORK_PROFILE=p", {"PREFORK_PROFILE": "p"})
    assert resolution.settings().workers == 2
    assert resolution.variables == {}


def test_a_secret_of_an_env_file_is_in_no_problem(tmp_path: Path) -> None:
    text = "A=hunter2\nhunter2\n'B=C'=hunter2\nD=hunter2\0\n"
    assert "hunter2" not in "".join(lines(with_env_file(tmp_path, text), tmp_path))
    assert len(lines(with_env_file(tmp_path, text), tmp_path)) == 3


def test_an_env_file_without_end_is_refused(tmp_path: Path) -> None:
    (line,) = lines(with_env_file(tmp_path, "#" * (1 << 20) + "\n"), tmp_path)
    assert line == "x.env is larger than 1048576 bytes"
