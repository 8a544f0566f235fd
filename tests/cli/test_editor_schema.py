"""The schema for editors, beside what `prefork check` says of the same files."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from prefork.cli.editor_schema import editor_schema
from prefork.cli.starter import starter, toml
from prefork.settings.checks import Bounded
from prefork.settings.declaration import Described
from prefork.settings.resolution import resolve
from prefork.settings.schema import described

SCHEMA = Draft7Validator(editor_schema())
BOUNDED = [(each, each.doc.check) for each in described() if isinstance(each.doc.check, Bounded)]


def refused(text: str) -> list[str]:
    return [error.message for error in SCHEMA.iter_errors(tomllib.loads(text))]


def problems(text: str, folder: Path) -> tuple[str, ...]:
    """What `prefork check` says of a file."""
    path = folder / "prefork.toml"
    path.write_text(text)
    profile = "production" if "[profile.production" in text else None
    return resolve({"config": str(path), "profile": profile}, {}).merged.problems


def test_it_is_a_schema() -> None:
    Draft7Validator.check_schema(editor_schema())
    assert editor_schema()["$schema"] == Draft7Validator.META_SCHEMA["$schema"]


@pytest.mark.parametrize("is_uncommented", [False, True])
def test_the_file_of_init_is_what_it_accepts(is_uncommented: bool) -> None:
    text = starter({"app": "main:app"})
    if is_uncommented:
        text = re.sub(r"^#(?=[A-Za-z_]+ = )", "", text, flags=re.MULTILINE)
    assert refused(text) == []
    assert len(tomllib.loads(text)) == (len(described()) + 2 if is_uncommented else 3)


@pytest.mark.parametrize(
    "text",
    [
        'app = "shop.web:make()"',
        "workers = 4",
        'workers = "max"',
        'bind = "127.0.0.1:8000"',
        'bind = ["[::1]:0", "unix:shop.sock", "localhost:80"]',
        "graceful_timeout = 2.5",
        "graceful_timeout = 0",
        'root_path = "/shop"',
        'on_starting = "shop.hooks:begin"',
        "pool = 3\npool_min = 0",
        'pool = "max"\npool_engine = "threads"',
        '[pool]\nmax = "max"\nmin = 1\nqueue = 100\nmemory_limit = "512MB"',
        "[pool]\nmax = 2\n[profile.production.pool]\nmax = 4",
        '[env]\nA = "x"\nB = 1\nC = 2.5\nD = true',
        '[profile.production]\nworkers = "max"\n[profile.production.env]\nA = "x"',
    ],
)
def test_what_check_accepts_it_accepts(tmp_path: Path, text: str) -> None:
    app = "" if text.startswith("app") else 'app = "a:b"\n'
    assert problems(app + text, tmp_path) == ()
    assert refused(app + text) == []


@pytest.mark.parametrize(
    "text",
    [
        "worker = 4",
        "workers = 0",
        "workers = 1025",
        'workers = "many"',
        "workers = 2.5",
        'policy = "best"',
        'app = "shop"',
        'on_starting = "hooks.begin"',
        'bind = ["nonsense"]',
        "bind = []",
        "bind = [8000]",
        "backlog = 0",
        "start_timeout = 0",
        "graceful_timeout = -1",
        "keepalive_timeout = 10000001",
        "max_body = -1",
        'root_path = "shop"',
        'root_path = "/shop/"',
        'name = "a b"',
        'name = ""',
        "ready_fd = 2",
        "reload = 3",
        "log_level = { a = 1 }",
        "[workers]",
        "pool = 257",
        "pool = []",
        'pool = 1\npool_engine = "dask"',
        "[pool]\nmax = 2\nmini = 1",
        "[pool]\nmax = -1",
        "[pool]\nmax = 2\nnice = 20",
        "[profile.production.pool]\npool_min = 1",
        "env = 1",
        "[env]\nA = [1]",
        "[env]\nPREFORK_WORKERS = 2",
        "profile = 1",
        "[profile]\nproduction = 1",
        "[profile.production]\nworker = 4",
        "[profile.production]\nworkers = 0",
        "[profile.production.profile.x]",
        "[profile.production.env]\nA = [1]",
    ],
)
def test_what_it_refuses_check_refuses(tmp_path: Path, text: str) -> None:
    sound = "" if text.startswith("app") else 'app = "a:b"\n'
    assert problems(sound + text, tmp_path) != ()
    assert refused(sound + text) != []


@pytest.mark.parametrize(
    ("each", "check"), BOUNDED, ids=lambda one: one.name if isinstance(one, Described) else ""
)
def test_it_has_the_bounds_of_the_checks(each: Described, check: Bounded) -> None:
    inside: list[Any] = [check.low + (1 if check.is_open else 0)]
    outside: list[Any] = [check.low - (0 if check.is_open else 1)]
    if check.high is not None:
        inside.append(check.high)
        outside.append(check.high + 1)
    outside = [value for value in outside if value not in check.also]
    for value in [*inside, *check.also]:
        assert check(value) is None
        assert refused(f"{each.name} = {value}") == []
    for value in outside:
        assert check(value) is not None
        assert refused(f"{each.name} = {value}") != []


def test_every_setting_is_described_and_has_its_default() -> None:
    properties = editor_schema()["properties"]
    assert [*properties] == [*(each.name for each in described()), "env", "profile"]
    for each in described():
        assert each.doc.help in properties[each.name]["description"]
        if each.default and not each.is_positional:
            default = tomllib.loads(f"x = {toml(each.default)}")["x"]
            assert properties[each.name]["default"] == default


def test_a_wrong_profile_is_refused_where_it_is() -> None:
    [error] = SCHEMA.iter_errors({"profile": {"production": {"workers": 0}}})
    assert [*error.absolute_path] == ["profile", "production", "workers"]
