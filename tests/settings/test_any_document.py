"""Whatever a file or an env file says, it is settings or problems of one line, and no crash."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from prefork.cli.starter import toml
from prefork.errors import SettingsError
from prefork.settings.resolution import resolve
from prefork.settings.schema import described

NAMES = [each.name for each in described()]
LABELS = [word for each in described() for word in (each.label, each.variable)]

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
keys = st.one_of(st.sampled_from([*NAMES, "env", "profile", "p", "PREFORK_WORKERS"]), words)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.one_of(
    words,
    numbers,
    st.booleans(),
    st.dates(),
    st.sampled_from(["max", "-", ".", "a:b", "127.0.0.1:80", "unix:/x", "json", "info"]),
    st.integers(min_value=16**4000, max_value=16**5000),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(keys, values, max_size=6)


def written(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key(k)} = {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"0x{value:x}" if value >= 0 else str(value)
    if isinstance(value, str):
        return key(value)
    return toml(value)


def key(word: str) -> str:
    return toml(word).replace("\x7f", "\\u007f")


def is_named(line: str, place: str) -> bool:
    """Whether a file, a variable or an option is in it."""
    return any(word in line for word in (place, *LABELS, "prefork.toml"))


def judge(place: Path, options: dict[str, str | None]) -> None:
    resolution = resolve({**options}, {}, place)
    for line in resolution.merged.problems:
        assert line.isprintable(), line
        assert is_named(line, str(place)), line
        assert len(line) < 600, line
    for origin in resolution.merged.origins.values():
        assert origin.isprintable()
    for name, value in resolution.variables.items():
        assert name
        assert "=" not in name
        assert "\0" not in name + value
    try:
        resolution.settings()
    except SettingsError:
        assert resolution.merged.problems
    else:
        assert not resolution.merged.problems


@given(documents, st.sampled_from([None, "p", "\n"]), st.sampled_from([None, "a:b"]))
@example({"env": {"A": 16**4999}}, None, None)
@example({"env_file": "."}, None, None)
@example({"profile": {"p": {"env": {"\n": []}}, "\n": 1}}, "\n", None)
def test_any_document_is_settings_or_problems(
    document: dict[str, Any], profile: str | None, app: str | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = "\n".join(f"{key(name)} = {written(value)}" for name, value in document.items())
        (Path(folder) / "prefork.toml").write_text(text, encoding="utf-8", newline="")
        judge(Path(folder), {"profile": profile, "app": app})


@given(st.binary(max_size=60) | words.map(str.encode))
@example(b"tool = 1")
@example(b"[tool]\nprefork = 1")
@example(b"\xef\xbb\xbf")
def test_any_bytes_are_settings_or_problems(said: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("pyproject.toml", "prefork.toml"):
            (Path(folder) / name).write_bytes(said)
            judge(Path(folder), {"app": "a:b"})


LINES = st.sampled_from(
    ["A=1", "export B='x y'", "C=${A}", "=", "'a=b'=c", "D", "E='", "F=\0", "PREFORK_APP=x", "\r"]
)


@given(st.lists(LINES, max_size=6).map("\n".join).map(str.encode) | st.binary(max_size=40))
def test_any_env_file_is_variables_or_problems(said: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "x.env").write_bytes(said)
        judge(Path(folder), {"app": "a:b", "env_file": f"{folder}/x.env"})
