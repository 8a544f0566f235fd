import os
from pathlib import Path
from typing import Any

import pytest

from prefork.errors import SettingsError
from prefork.settings.schema import Settings, described, problems


def problem(**values: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        Settings(**({"app": "app:handler"} | values))
    return str(caught.value)


def test_the_defaults_are_valid() -> None:
    settings = Settings(app="app:handler")
    assert settings.bind == ("127.0.0.1:8000",)
    assert settings.workers == 1
    assert settings.max_body == 0


@pytest.mark.parametrize(
    "app", ["app:handler", "a.b.c:x.y", "app:make()", "pkg.mod:a.make()", "app.py:x"]
)
def test_an_application_is_a_module_and_an_attribute(app: str) -> None:
    assert Settings(app=app).app == app


@pytest.mark.parametrize("app", ["", "app", "app:", ":x", "a b:x", "app:x(1)", "app:x:y"])
def test_what_names_no_application_is_refused(app: str) -> None:
    assert problem(app=app).startswith("APP must be MODULE:ATTRIBUTE, as in app:handler (got ")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"workers": 0}, "--workers must be from 1 to 1024, or max (got 0)"),
        ({"workers": "min"}, "--workers must be from 1 to 1024, or max (got min)"),
        ({"policy": "best"}, "--policy must be rr, least, hash, shared or reuseport (got best)"),
        ({"interface": "cgi"}, "--interface must be auto, asgi, wsgi or handler (got cgi)"),
        ({"bind": ()}, "--bind must be given 1 to 64 times (got 0)"),
        ({"bind": ("a:0",) * 65}, "--bind must be given 1 to 64 times (got 65)"),
        ({"bind": ("nonsense",)}, "(got nonsense)"),
        (
            {"bind": ("a:1", "b:1", "a:1")},
            "--bind must not be given twice with the same value (a:1)",
        ),
        ({"name": "a/b"}, "--name must be 1 to 64 letters, digits, dots, dashes or underscores"),
        ({"name": ".x"}, "--name must be"),
        ({"name": "x" * 65}, "--name must be"),
        ({"app_dir": "/nowhere"}, "--app-dir must be a directory (got /nowhere)"),
        ({"control": "/" + "x" * 200}, "--control must be a path of 1 to "),
        (
            {"graceful_timeout": -1.0},
            "--graceful-timeout must be from 0 to 10000000 seconds (got -1)",
        ),
        ({"graceful_timeout": float("inf")}, "(got inf)"),
        ({"graceful_timeout": float("nan")}, "(got nan)"),
        ({"start_timeout": 0.0}, "--start-timeout must be more than 0 seconds (got 0)"),
        ({"start_timeout": float("nan")}, "(got nan)"),
        ({"backlog": 0}, "--backlog must be at least 1 (got 0)"),
        ({"ready_fd": 2}, "--ready-fd must be a descriptor above 2 (got 2)"),
        ({"ready_fd": -1}, "--ready-fd must be a descriptor above 2 (got -1)"),
        ({"ready_fd": 2**40}, "--ready-fd must be a descriptor above 2"),
    ],
)
def test_a_wrong_value_names_option_remedy_and_value(values: dict[str, Any], message: str) -> None:
    assert message in problem(**values)


def test_all_problems_are_told_at_once() -> None:
    text = problem(workers=0, policy="best", backlog=0)
    assert [part.split()[0] for part in text.split("; ")] == ["--policy", "--backlog", "--workers"]


def test_a_wrong_value_is_shown_on_one_line_and_not_at_length() -> None:
    assert "(got a\\nb)" in problem(name="a\nb")
    assert "(got '')" in problem(name="")
    assert len(problem(name="x" * 10_000)) < 250


def test_the_descriptor_for_readiness_is_open_for_writing() -> None:
    reader, writer = os.pipe()
    try:
        assert Settings(app="a:b", ready_fd=writer).ready_fd == writer
        assert "must be open for writing" in problem(ready_fd=reader)
    finally:
        os.close(reader)
        os.close(writer)
    assert "must be an open descriptor" in problem(ready_fd=writer)


def test_the_directory_of_the_application_exists(tmp_path: Path) -> None:
    assert Settings(app="a:b", app_dir=str(tmp_path)).app_dir == str(tmp_path)


def test_every_setting_is_described_in_sentences() -> None:
    for each in described():
        assert each.doc.help[0].isupper(), each.name
        assert each.doc.help.endswith("."), each.name
        assert each.is_positional or each.default_text, each.name


def test_sections_are_not_scattered() -> None:
    sections = [each.doc.section for each in described()]
    assert sections == sorted(sections, key=sections.index)


def test_an_address_may_be_given_twice_only_where_its_port_is_any() -> None:
    assert not problems({"app": "a:b", "bind": ("127.0.0.1:0", "127.0.0.1:0")})
    (problem,) = problems({"app": "a:b", "bind": ("127.0.0.1:80", "127.0.0.1:80")})
    assert "twice" in problem
