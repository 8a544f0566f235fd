"""prefork.toml: which file is read, and how each thing that is wrong in it is told."""

from pathlib import Path

import pytest

from prefork.errors import SettingsError
from prefork.settings.file import Contents, find, read
from prefork.settings.written import LARGEST


def said(place: Path, text: str | bytes, name: str = "prefork.toml") -> Path:
    path = place / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def problems(place: Path, text: str, profile: str | None = None) -> list[str]:
    """What is wrong, without the file's folder, which is another each time."""
    found = read(said(place, text), profile).problems
    return [each.replace(f"{place}/", "") for each in found]


def refusal(path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        read(path)
    return str(caught.value).replace(f"{path.parent}/", "")


def given(contents: Contents) -> dict[str, object]:
    return {name: one.text for name, one in contents.given.items()}


# -- which file --------------------------------------------------------------


def test_prefork_toml_comes_before_pyproject(tmp_path: Path) -> None:
    shared = said(tmp_path, "[tool.prefork]\n", "pyproject.toml")
    assert find(tmp_path) == shared
    assert find(tmp_path) == shared
    own = said(tmp_path, "")
    assert find(tmp_path) == own


@pytest.mark.parametrize("text", ["", "tool = 1", "[tool]", "[tool.other]\nprefork = 1", "[", "\0"])
def test_a_pyproject_without_us_is_somebody_elses(tmp_path: Path, text: str) -> None:
    assert find(tmp_path) is None
    said(tmp_path, text, "pyproject.toml")
    assert find(tmp_path) is None


def test_a_pyproject_that_nobody_can_read_is_ours_if_we_are_in_it(tmp_path: Path) -> None:
    shared = said(tmp_path, "[tool.prefork]\nworkers = = 2\n", "pyproject.toml")
    assert find(tmp_path) == shared
    assert refusal(shared) == "pyproject.toml is no TOML: Invalid value (at line 2, column 11)"


def test_a_link_that_leads_nowhere_is_told_and_not_passed_over(tmp_path: Path) -> None:
    own = tmp_path / "prefork.toml"
    own.symlink_to("gone.toml")
    assert find(tmp_path) == own
    assert refusal(own) == "cannot read prefork.toml: no such file or directory"


def test_the_table_of_pyproject_is_a_table(tmp_path: Path) -> None:
    path = said(tmp_path, "tool.prefork = 3\n", "pyproject.toml")
    assert find(tmp_path) == path
    assert refusal(path) == "tool.prefork in pyproject.toml must be a table (got a number)"
    path = said(tmp_path, "[project]\n", "pyproject.toml")
    assert refusal(path) == "pyproject.toml has no table [tool.prefork]"


def test_tables_of_pyproject_are_named_as_they_are_written_there(tmp_path: Path) -> None:
    text = "[tool.prefork]\nworker = 1\n[tool.prefork.profile.p.env]\nA = []\n"
    found = read(said(tmp_path, text, "pyproject.toml")).problems
    assert found == [
        f"{tmp_path}/pyproject.toml: unknown setting 'worker' (did you mean 'workers'?)",
        f"A in [tool.prefork.profile.p.env] of {tmp_path}/pyproject.toml must be one plain value "
        "(got a list)",
    ]


# -- what is no file of ours at all ------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"workers", "prefork.toml is no TOML: Expected '=' after a key"),
        (b"a = 1\n\xff", "prefork.toml is not UTF-8, line 2: there is the byte 0xff"),
        (b"a = " + b"9" * 5000, "prefork.toml has a number of too many digits"),
        (b"a = " + b"[" * 20_000, "prefork.toml has values nested too deeply"),
        (b"a = " + b"{a=" * 20_000, "prefork.toml has values nested too deeply"),
        (b"#" * (LARGEST + 1), f"prefork.toml is larger than {LARGEST} bytes"),
        (b"a = 1\na = 2\n", "prefork.toml is no TOML: Cannot overwrite a value"),
    ],
    ids=lambda value: str(value[:12]),
)
def test_what_is_no_toml_is_one_line(tmp_path: Path, text: bytes, reason: str) -> None:
    line = refusal(said(tmp_path, text))
    assert line.startswith(reason)
    assert line.isprintable()


def test_a_directory_and_a_device_without_end_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "prefork.toml").mkdir()
    assert refusal(tmp_path / "prefork.toml") == "cannot read prefork.toml: is a directory"
    assert "is larger than" in refusal(Path("/dev/zero"))


def test_the_mark_that_windows_puts_before_utf_8_does_not_disturb(tmp_path: Path) -> None:
    assert given(read(said(tmp_path, "\ufeffworkers = 2\r\n"))) == {"workers": "2"}


# -- what is wrong in it -----------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("worker = 1", "prefork.toml: unknown setting 'worker' (did you mean 'workers'?)"),
        ("start-timeout = 1", "unknown setting 'start-timeout' (did you mean 'start_timeout'?)"),
        ("nonsense = 1", "prefork.toml: unknown setting 'nonsense'"),
        ("[limits]\nmax_body = 1", "prefork.toml: unknown setting 'limits'"),
        ("[profile.p]\npolcy = 'rr'", "[profile.p] of prefork.toml: unknown setting 'polcy' (did"),
        ("[tool.prefork]\n", "'tool' ([tool.prefork] is for pyproject.toml; here settings stand"),
        ('"a\\nb" = 1', r"unknown setting 'a\nb'"),
        (f"{'x' * 5000} = 1", "x…'"),
        ("workers = [2]", "workers in prefork.toml must be one plain value (got a list)"),
        ("workers.max = 2", "workers in prefork.toml must be one plain value (got a table)"),
        (f"app.{'a.' * 5000}a = 1", "app in prefork.toml must be one plain value (got a table)"),
        ("name = 2020-01-01", "name in prefork.toml must be one plain value (got a date or time)"),
        ("bind = [8000]", "bind in prefork.toml must be a list of strings (got a number in it)"),
        ("bind = 8000", "bind in prefork.toml must be a string (got 8000)"),
        ("bind = {}", "bind in prefork.toml must be one plain value (got a table)"),
        (f"backlog = 0x{'f' * 5000}", "backlog in prefork.toml must be a number of fewer digits"),
        ("name = 8", "name in prefork.toml must be a string (got 8)"),
        ("env = 3", "[env] of prefork.toml must be a table (got a number)"),
        ("profile = 'p'", "[profile] of prefork.toml must be a table (got a string)"),
        ("[profile]\np = true", "[profile.p] of prefork.toml must be a table (got true or false)"),
        ("[profile.p]\nenv = []", "[profile.p.env] of prefork.toml must be a table (got a list)"),
        ("[env]\nA = []", "A in [env] of prefork.toml must be one plain value (got a list)"),
        ("[env]\nA.B = 1", "A in [env] of prefork.toml must be one plain value (got a table)"),
        (f"[env]\nA = 0x{'f' * 5000}", "A in [env] of prefork.toml must be a number of fewer"),
        ('[env]\n"A=B" = "x"', "A=B in [env] of prefork.toml must have a name without ="),
        ('[env]\nA = "\\u0000"', "A in [env] of prefork.toml must have a name without =, and no"),
        ('[env]\n"" = "x"', "'' in [env] of prefork.toml must have a name"),
        ("[env]\nPREFORK_WORKERS = 1", "PREFORK_WORKERS in [env] of prefork.toml sets nothing"),
        ('[profile."\\u001b[2J"]\nx = 1', r"[profile.\x1b[2J] of prefork.toml: unknown setting"),
    ],
)
def test_a_mistake_is_one_line_that_says_where_it_is(
    tmp_path: Path, text: str, problem: str
) -> None:
    (line,) = problems(tmp_path, text)
    assert problem in line
    assert line.isprintable()
    assert len(line) < 300


def test_a_variable_of_ours_is_told_how_to_be_a_setting(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, "[env]\nPREFORK_WORKERS = 1")
    assert line.endswith("sets nothing here: write workers as a setting")


def test_a_value_for_the_application_is_never_shown(tmp_path: Path) -> None:
    lines = problems(tmp_path, '[env]\nA = ["hunter2"]\nB = {x = "hunter2"}\n"C=" = "hunter2"')
    assert len(lines) == 3
    assert "hunter2" not in "".join(lines)


def test_mistakes_of_a_profile_that_is_not_selected_are_told_too(tmp_path: Path) -> None:
    text = "[profile.a]\nworker = 1\n[profile.b]\nbakclog = 1\n[profile.b.env]\nX = []"
    for profile in (None, "a", "b"):
        assert len(problems(tmp_path, text, profile)) == 3


def test_an_unknown_profile_gets_a_suggestion(tmp_path: Path) -> None:
    text = "[profile.production]\n"
    assert problems(tmp_path, text, "prodution") == [
        "prefork.toml has no [profile.prodution] (did you mean 'production'?)"
    ]
    assert problems(tmp_path, "", "x\n") == [r"prefork.toml has no [profile.x\n]"]


# -- what it says ------------------------------------------------------------


def test_numbers_keep_all_their_digits(tmp_path: Path) -> None:
    text = "start_timeout = 1234567.89\n[env]\nPRICE = 1234567.89\nCOUNT = 12345678\nSIZE = 2.0"
    contents = read(said(tmp_path, text))
    assert given(contents) == {"start_timeout": "1234567.89"}
    assert contents.env == {"PRICE": "1234567.89", "COUNT": "12345678", "SIZE": "2"}


def test_variables_are_words_of_any_plain_type(tmp_path: Path) -> None:
    contents = read(said(tmp_path, '[env]\nA = true\nB = 3\nC = "x y"\nD = ""\n'))
    assert contents.env == {"A": "true", "B": "3", "C": "x y", "D": ""}


def test_paths_count_from_the_folder_of_the_file(tmp_path: Path) -> None:
    text = 'app_dir = "src"\nlog_config = "/etc/x.json"\nreload_dir = ["a", "/b"]\nname = "n"'
    assert given(read(said(tmp_path, text))) == {
        "app_dir": f"{tmp_path}/src",
        "log_config": "/etc/x.json",
        "reload_dir": (f"{tmp_path}/a", "/b"),
        "name": "n",
    }


def test_standard_output_and_nothing_are_no_paths(tmp_path: Path) -> None:
    text = 'access_log = "-"\ncontrol = ""\n'
    assert given(read(said(tmp_path, text))) == {"access_log": "-", "control": ""}


def test_a_profile_stands_over_the_rest_and_others_do_not(tmp_path: Path) -> None:
    text = """
        workers = 1
        backlog = 7
        [env]
        A = "base"
        B = "base"
        [profile.p]
        workers = 2
        [profile.p.env]
        A = "p"
        [profile.q]
        workers = 3
        backlog = 3
    """
    contents = read(said(tmp_path, text), "p")
    assert given(contents) == {"workers": "2", "backlog": "7"}
    assert contents.env == {"A": "p", "B": "base"}
    assert contents.profiles == ["p", "q"]
